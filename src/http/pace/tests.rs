use super::*;

fn bucket(matches: &str, rate: &str, burst: u32) -> BucketSpec {
    BucketSpec { matches: matches.into(), rate: rate.parse().unwrap(), burst }
}

/// When calls went, as seconds since the start, if `workers` tasks call as fast as they may.
async fn instants(pacer: &Pacer, workers: usize, calls: usize) -> Vec<f64> {
    let start = Instant::now();
    let times = Arc::new(Mutex::new(Vec::with_capacity(calls)));
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let (pacer, times) = (pacer.clone(), Arc::clone(&times));
            tokio::spawn(async move {
                loop {
                    let _permit = pacer.acquire("POST", "/Users").await;
                    let mut times = times.lock().unwrap();
                    if times.len() >= calls {
                        return;
                    }
                    times.push(start.elapsed().as_secs_f64());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let times = times.lock().unwrap();
    times.clone()
}

/// The most calls in any window `[t, t + seconds)`.
fn most_in_any(times: &[f64], seconds: f64) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (last, &t) in times.iter().enumerate() {
        while times[first] <= t - seconds {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn i7_at_least_98_percent_of_the_rate_is_used_and_no_second_sees_more() {
    for (rate, per_second, calls) in [
        ("1/s", 1.0, 60),
        ("10/s", 10.0, 600),
        ("450/m", 7.5, 400),
        ("600/m", 10.0, 600),
        ("40/s", 40.0, 2_000),
        ("300/s", 300.0, 6_000),
        ("999/s", 999.0, 20_000),
        ("5000/s", 5000.0, 50_000),
    ] {
        let pacer = Pacer::new(&[bucket("", rate, 1)], 16);
        let times = instants(&pacer, 16, calls).await;
        let took = times.last().unwrap() - times.first().unwrap();
        let used = (calls - 1) as f64 / took / per_second;
        assert!(used >= 0.98, "{rate}: {used:.4} of the rate was used");
        let most = most_in_any(&times, 1.0);
        assert!(most as f64 <= per_second.ceil(), "{rate}: {most} calls in one second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_allowed_after_a_pause_and_only_once() {
    let pacer = Pacer::new(&[bucket("", "10/s", 5)], 16);
    let times = instants(&pacer, 16, 100).await;
    assert_eq!(times.iter().filter(|&&t| t < 0.01).count(), 5);
    assert!(most_in_any(&times, 1.0) <= 15);
    assert!(most_in_any(&times[20..], 1.0) <= 10, "later there is nothing saved up");
}

#[tokio::test(start_paused = true)]
async fn slow_quotas_are_kept_over_hours() {
    let pacer = Pacer::new(&[bucket("", "1000/h", 1)], 4);
    let times = instants(&pacer, 4, 3_000).await;
    assert!(most_in_any(&times, 3600.0) <= 1000);
    assert!(*times.last().unwrap() < 3.0 * 3600.0 / 0.98);
}

#[tokio::test(start_paused = true)]
async fn every_bucket_that_matches_applies() {
    let pacer = Pacer::new(&[bucket("", "100/s", 1), bucket("write", "10/s", 1), bucket("POST /Users", "60/m", 1)], 16);
    let took = async |method: &'static str, resource: &'static str, calls: u32| {
        let start = Instant::now();
        for _ in 0..calls {
            drop(pacer.acquire(method, resource).await);
        }
        start.elapsed().as_secs_f64()
    };
    let reads = took("GET", "Users", 100).await;
    assert!((0.95..1.05).contains(&reads), "100 reads at 100/s: {reads}");
    let writes = took("PATCH", "Users", 20).await;
    assert!((1.8..2.1).contains(&writes), "20 writes at 10/s: {writes}");
    let creates = took("POST", "/users/", 5).await;
    assert!((4.0..5.1).contains(&creates), "5 creates at 60/m: {creates}");
    let others = took("POST", "/Groups", 10).await;
    assert!((0.8..1.2).contains(&others), "POST /Groups counts as a write only: {others}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_bucket_does_not_stop_calls_it_does_not_match() {
    let pacer = Pacer::new(&[bucket("", "100/s", 1), bucket("POST /Users", "1/m", 1)], 16);
    drop(pacer.acquire("POST", "/Users").await);
    let stuck = tokio::spawn({
        let pacer = pacer.clone();
        async move { drop(pacer.acquire("POST", "/Users").await) }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    for _ in 0..10 {
        drop(pacer.acquire("GET", "/Users").await);
    }
    assert!(start.elapsed() < Duration::from_millis(200));
    assert!(!stuck.is_finished());
    stuck.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn t3_what_one_call_is_told_holds_all_who_share_the_quota() {
    let one = Pacer::new(&[bucket("", "10/s", 1)], 4);
    let other = one.sharing_quota(4);
    one.hold_off(Duration::from_secs(30));
    one.hold_off(Duration::from_secs(1));
    assert_eq!(one.held_for(), Duration::from_secs(30), "a shorter wish does not shorten a longer one");
    let times = instants(&other, 4, 20).await;
    assert!(times[0] >= 30.0);
    assert!(most_in_any(&times, 1.0) <= 10, "no crowd when the gate opens");
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_comes_while_calls_wait_holds_them_too() {
    let pacer = Pacer::new(&[bucket("", "1/s", 1)], 4);
    drop(pacer.acquire("GET", "/Users").await);
    let start = Instant::now();
    let waiting = tokio::spawn({
        let pacer = pacer.clone();
        async move { drop(pacer.acquire("GET", "/Users").await) }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    pacer.hold_off(Duration::from_secs(60));
    waiting.await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_in_flight_than_allowed() {
    let pacer = Pacer::new(&[], 3);
    let held: Vec<_> =
        [pacer.acquire("GET", "").await, pacer.acquire("GET", "").await, pacer.acquire("GET", "").await].into();
    assert_eq!(pacer.free_slots(), 0);
    let fourth = tokio::time::timeout(Duration::from_secs(3600), pacer.acquire("GET", "")).await;
    assert!(fourth.is_err());
    drop(held);
    drop(pacer.acquire("GET", "").await);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_blocks_nobody() {
    let pacer = Pacer::new(&[bucket("", "1/s", 1)], 1);
    drop(pacer.acquire("GET", "").await);
    for _ in 0..5 {
        let gave_up = tokio::time::timeout(Duration::from_millis(10), pacer.acquire("GET", "")).await;
        assert!(gave_up.is_err());
    }
    let next = tokio::time::timeout(Duration::from_millis(1100), pacer.acquire("GET", "")).await;
    assert!(next.is_ok());
}
