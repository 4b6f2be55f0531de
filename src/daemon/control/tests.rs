//! Both ends of the socket, and everything else that may lie in its place.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use super::*;
use crate::store::Stores;

fn place() -> (tempfile::TempDir, Stores) {
    let dir = tempfile::tempdir().unwrap();
    let state = Stores::on_disk(dir.path().join("state"));
    std::fs::create_dir_all(state.socket().parent().unwrap()).unwrap();
    (dir, state)
}

/// Carries out nothing.
struct Idle;

impl CommandRunner for Idle {
    fn perform(&self, _: &CommandLine, _: &std::sync::Arc<CommandLink>, _: &tokio::runtime::Handle) -> CommandEnd {
        CommandEnd { code: 1, failure: None, import: None }
    }
}

fn idle() -> Commands {
    Commands::new(std::sync::Arc::new(Idle), &tokio_util::sync::CancellationToken::new())
}

/// Somebody who listens in the daemon's place and says this.
fn stand_in(state: &Stores, says: &'static [u8]) -> std::thread::JoinHandle<()> {
    let listener = UnixListener::bind(state.socket()).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(says).unwrap();
        // Until the other side has had enough.
        let _closed = std::io::Read::read(&mut stream, &mut [0; 1]);
    })
}

#[tokio::test]
async fn a_request_reaches_the_daemon_and_its_answer_the_client() {
    let (_dir, state) = place();
    let mut control = Control::new(&state, Rights::default(), idle());
    control.listen().unwrap();
    control.listen().unwrap();
    let mode = std::fs::metadata(state.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "i6: nobody else may ask");
    let client = tokio::spawn(async move {
        let talk = reach(&state).await.unwrap().unwrap();
        assert_eq!((talk.hello().process, talk.hello().protocol), (std::process::id(), PROTOCOL));
        talk.ask(ControlRequest::Resume { tenant: "acme".into() }, &crate::progress::Silent, |_| ()).await
    });
    let Asked { request, from, caller } = control.next().await.unwrap();
    assert_eq!(request, ControlRequest::Resume { tenant: "acme".into() });
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    assert_eq!((from.uid, from.process), (own, Some(std::process::id())), "s6: the kernel says who asks");
    caller.answer(ControlReply::Resumed(None));
    assert_eq!(client.await.unwrap().unwrap(), ControlReply::Resumed(None));
    control.close().await;
}

#[tokio::test]
async fn a_request_that_nobody_will_answer_is_told_so() {
    let (_dir, state) = place();
    let mut control = Control::new(&state, Rights::default(), idle());
    control.listen().unwrap();
    let asked = state.clone();
    let client = tokio::spawn(async move {
        let talk = reach(&asked).await.unwrap().unwrap();
        talk.ask(ControlRequest::Reload, &crate::progress::Silent, |_| ()).await.unwrap()
    });
    drop(control.next().await.unwrap());
    let ControlReply::Refused(refusal) = client.await.unwrap() else { panic!("it was answered") };
    assert!(refusal.code == 75 && refusal.message.contains("before there was a response"), "{refusal:?}");
    control.close().await;
    assert!(!state.socket().exists() && reach(&state).await.unwrap().is_none(), "an orderly end leaves nothing");
}

#[tokio::test]
async fn the_socket_of_a_killed_daemon_is_nobody_and_is_replaced() {
    let (_dir, state) = place();
    assert!(reach(&state).await.unwrap().is_none(), "there was none yet");
    drop(UnixListener::bind(state.socket()).unwrap());
    assert!(reach(&state).await.unwrap().is_none());
    let mut control = Control::new(&state, Rights::default(), idle());
    control.listen().unwrap();
    assert!(reach(&state).await.unwrap().is_some());
    control.close().await;
}

#[tokio::test]
async fn what_is_no_left_over_socket_is_left_alone_and_named() {
    let (_dir, state) = place();
    std::fs::write(state.socket(), "mine").unwrap();
    let mut control = Control::new(&state, Rights::default(), idle());
    let why = control.listen().unwrap_err();
    assert!(why.contains("is no socket") && why.contains("control.sock"), "{why}");
    assert_eq!(std::fs::read(state.socket()).unwrap(), b"mine");
    std::fs::remove_file(state.socket()).unwrap();
    let other = UnixListener::bind(state.socket()).unwrap();
    let why = control.listen().unwrap_err();
    assert!(why.contains("another process listens"), "{why}");
    drop(other);
    control.listen().unwrap();
    control.close().await;
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_works_as_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let state = Stores::on_disk(dir.path().join("long-".repeat(30)));
    std::fs::create_dir_all(state.socket().parent().unwrap()).unwrap();
    assert!(state.socket().as_os_str().len() > LONGEST);
    let mut control = Control::new(&state, Rights::default(), idle());
    control.listen().unwrap();
    assert!(state.socket().exists() && reach(&state).await.unwrap().is_some());
    control.close().await;
    assert!(reach(&state).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn i7_a_daemon_that_hangs_keeps_nobody_waiting() {
    let (_dir, state) = place();
    let _silent = UnixListener::bind(state.socket()).unwrap();
    assert!(matches!(reach(&state).await.unwrap_err(), ControlError::Hangs { .. }));
}

#[tokio::test]
async fn another_version_and_a_stranger_are_told_apart_before_anything_is_asked() {
    let (_dir, state) = place();
    let newer = stand_in(&state, b"{\"hello\":{\"protocol\":9,\"version\":\"9.0.0\",\"process\":7,\"more\":1}}\n");
    let error = reach(&state).await.unwrap_err().to_string();
    assert!(error.contains("rosterd 9.0.0 and speaks protocol 9") && error.contains("nothing was asked"), "{error}");
    newer.join().unwrap();
    for says in [&b"SSH-2.0-OpenSSH\r\n"[..], b"{}\n", &[b'x'; 5000]] {
        std::fs::remove_file(state.socket()).unwrap();
        let stranger = stand_in(&state, says);
        let error = reach(&state).await.unwrap_err();
        assert!(matches!(error, ControlError::Stranger { .. }), "{error}");
        stranger.join().unwrap();
    }
}
