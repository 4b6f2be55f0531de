use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::super::ber::tests::{element, nested};
use super::*;

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&element(0x02, &[id]), operation].concat())
}

fn entry(id: u8, dn: &str, bytes: usize) -> Vec<u8> {
    let contents = [element(0x04, dn.as_bytes()), element(0x30, &element(0x04, &vec![0; bytes]))].concat();
    message(id, &element(envelope::SEARCH_ENTRY, &contents))
}

struct Scene {
    server: DuplexStream,
    library: UnixStream,
    watch: Arc<RelayWatch>,
    relay: JoinHandle<io::Result<()>>,
}

impl Scene {
    fn new(max_message: u64) -> Self {
        let (server, far) = tokio::io::duplex(1 << 16);
        let (near, library) = UnixStream::pair().unwrap();
        let watch = Arc::new(RelayWatch::new(max_message));
        let relay = tokio::spawn(run(Box::new(far), near, Arc::clone(&watch)));
        Self { server, library, watch, relay }
    }

    /// One after the bind, with a search under way.
    async fn searching(max_message: u64) -> Self {
        let mut scene = Self::new(max_message);
        scene.watch.bound();
        scene.ask(2, envelope::SEARCH_REQUEST).await;
        scene
    }

    /// Sends a request, and sees it arrive.
    async fn ask(&mut self, id: u8, operation: u8) {
        let request = message(id, &element(operation, &nested(40)));
        self.library.write_all(&request).await.unwrap();
        let mut arrived = vec![0; request.len()];
        self.server.read_exact(&mut arrived).await.unwrap();
        assert_eq!(arrived, request);
    }

    async fn comes(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.library.read_exact(&mut bytes).await.unwrap();
        assert!(bytes == expected, "other bytes came");
    }

    /// Waits for the end, and gives the refusal; nothing more has come.
    async fn refused(mut self) -> RefusedMessage {
        let mut rest = Vec::new();
        self.library.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
        self.relay.await.unwrap().unwrap();
        self.watch.refusal().expect("a refusal")
    }
}

#[tokio::test]
async fn answers_to_the_open_request_pass_and_all_others_end_here() {
    let mut scene = Scene::searching(1 << 20).await;
    let (one, done) = (entry(2, "uid=a", 10), message(2, &element(envelope::SEARCH_DONE, &[])));
    for bytes in [&entry(1, "uid=late", 10), &one, &message(0, &element(0x78, &[])), &done, &entry(2, "uid=more", 5)] {
        scene.server.write_all(bytes).await.unwrap();
    }
    scene.comes(&[one, done].concat()).await;
    scene.ask(3, envelope::SEARCH_REQUEST).await;
    let next = entry(3, "uid=b", 10);
    scene.server.write_all(&next).await.unwrap();
    scene.comes(&next).await;
    drop(scene.server);
    assert_eq!(scene.library.read(&mut [0; 8]).await.unwrap(), 0, "the server's end is the library's end");
    assert!(scene.watch.refusal().is_none());
}

#[tokio::test]
async fn l1_an_answer_that_does_not_fit_the_request_is_refused() {
    let mut scene = Scene::searching(1 << 20).await;
    scene.server.write_all(&message(2, &element(envelope::BIND_RESPONSE, &[]))).await.unwrap();
    let refusal = scene.refused().await;
    assert_eq!(refusal.breach, Breach::Misfit { operation: envelope::BIND_RESPONSE });
}

#[tokio::test]
async fn l2_before_the_bind_the_limit_is_one_mebibyte_and_after_it_the_operators() {
    let mut scene = Scene::new(64 << 20);
    scene.ask(1, envelope::BIND_REQUEST).await;
    let over = message(1, &element(envelope::BIND_RESPONSE, &vec![0; BEFORE_BIND as usize + 1 - 15]));
    assert_eq!(over.len() as u64, BEFORE_BIND + 1);
    scene.server.write_all(&over[..40]).await.unwrap();
    let refusal = scene.refused().await;
    let size = BEFORE_BIND + 1;
    assert_eq!((refusal.breach, refusal.bound), (Breach::Size { size, limit: BEFORE_BIND }, false));

    let mut scene = Scene::searching(3000).await;
    let fits = entry(2, "uid=fits", 2000);
    scene.server.write_all(&[fits.clone(), entry(2, "uid=large", 3000)].concat()).await.unwrap();
    scene.watch.take();
    let mut came = Vec::new();
    scene.library.read_to_end(&mut came).await.unwrap();
    assert!(came.is_empty() || came == fits, "nothing of the refused one");
    let refusal = scene.watch.refusal().unwrap();
    assert_eq!((refusal.entry.as_deref(), refusal.after.as_deref()), (Some("uid=large"), Some("uid=fits")));
}

#[tokio::test]
async fn l2_a_message_that_announces_too_much_and_never_comes_has_its_reason_all_the_same() {
    let mut scene = Scene::searching(3000).await;
    scene.server.write_all(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await.unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while scene.watch.refusal().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    drop(scene.server);
    assert!(matches!(scene.watch.refusal().unwrap().breach, Breach::Size { size: 0x8000_0005, .. }));
}

#[tokio::test]
async fn l2_no_more_passes_while_much_is_untaken() {
    let mut scene = Scene::searching(64 << 20).await;
    let one = entry(2, "uid=a", (UNTAKEN_BYTES / 2) as usize);
    let three = one.repeat(3);
    let mut server = scene.server;
    let writing = tokio::spawn(async move {
        server.write_all(&three).await.unwrap();
        server
    });
    let mut bytes = vec![0; one.len()];
    scene.library.read_exact(&mut bytes).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(200), scene.library.read(&mut bytes)).await;
    assert!(more.is_err(), "the second passed although nothing of the first was taken");
    for _ in 0..2 {
        assert_eq!(scene.watch.take(), one.len() as u64);
        scene.library.read_exact(&mut bytes).await.unwrap();
    }
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn l2_a_request_given_up_does_not_hold_up_the_next() {
    let mut scene = Scene::searching(64 << 20).await;
    let one = entry(2, "uid=a", (UNTAKEN_BYTES - 100) as usize);
    let rest = [one.clone(), one.clone(), one.clone()].concat();
    let mut server = scene.server;
    let writing = tokio::spawn(async move {
        server.write_all(&rest).await.unwrap();
        server
    });
    let mut came = vec![0; one.len()];
    scene.library.read_exact(&mut came).await.unwrap();
    let request = message(3, &element(envelope::SEARCH_REQUEST, &[]));
    scene.library.write_all(&request).await.unwrap();
    let mut server = writing.await.unwrap();
    let mut asked = vec![0; request.len()];
    server.read_exact(&mut asked).await.unwrap();
    let next = entry(3, "uid=b", 10);
    server.write_all(&next).await.unwrap();
    let mut came = vec![0; next.len()];
    scene.library.read_exact(&mut came).await.unwrap();
    assert_eq!(came, next, "what was left of the first is swallowed");
}

#[tokio::test]
async fn a_farewell_reaches_the_server() {
    let mut scene = Scene::searching(1 << 20).await;
    let unbind = message(3, &element(0x42, &[]));
    scene.library.write_all(&unbind).await.unwrap();
    drop(scene.library);
    let mut said = Vec::new();
    scene.server.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, unbind);
    scene.relay.await.unwrap().unwrap();
}
