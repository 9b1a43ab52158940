//! The network between us and a registry, with its bad days.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on, and remembers what was asked for. Ends with the test's runtime.
pub(super) struct Proxy {
    /// `127.0.0.1:port`.
    pub(super) address: String,
    pub(super) weather: Arc<Weather>,
}

/// What happens on the way.
#[derive(Default)]
pub(super) struct Weather {
    /// So many answers with a blob break off …
    pub(super) cuts: AtomicUsize,
    /// … after so many bytes each.
    pub(super) cut_after: AtomicUsize,
    /// So many requests for a manifest are answered with this, and go no further.
    pub(super) refusals: AtomicUsize,
    pub(super) refusal: Mutex<String>,
    /// The first line of each request, and its `range` header if it has one.
    requests: Mutex<Vec<String>>,
    /// How many bytes of blobs went through.
    pub(super) blob_bytes: AtomicUsize,
}

impl Proxy {
    pub(super) async fn before(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let weather = Arc::new(Weather::default());
        let (registry, passing) = (registry.to_owned(), weather.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (registry, weather) = (registry.clone(), passing.clone());
                tokio::spawn(async move { weather.pass(client, &registry).await });
            }
        });
        Self { address, weather }
    }

    /// How often something was asked for whose line contains `words`.
    pub(super) fn asked(&self, words: &str) -> usize {
        self.weather.requests.lock().unwrap().iter().filter(|line| line.contains(words)).count()
    }
}

impl Weather {
    /// One connection. A request of ours comes in one piece, and none before the last was answered.
    async fn pass(&self, mut client: TcpStream, registry: &str) -> Option<()> {
        let mut server = TcpStream::connect(registry).await.ok()?;
        let (mut request, mut answer) = (vec![0; 64 << 10], vec![0; 16 << 10]);
        let mut cut_in = None;
        let mut is_blob = false;
        loop {
            tokio::select! {
                count = client.read(&mut request) => {
                    let bytes = &request[..count.ok().filter(|count| *count > 0)?];
                    let line = self.note(bytes);
                    is_blob = line.contains("/blobs/");
                    if line.contains("/manifests/") && take(&self.refusals) {
                        let refusal = self.refusal.lock().unwrap().clone();
                        client.write_all(refusal.as_bytes()).await.ok()?;
                        return None;
                    }
                    cut_in = (is_blob && take(&self.cuts)).then(|| self.cut_after.load(Ordering::SeqCst));
                    server.write_all(bytes).await.ok()?;
                }
                count = server.read(&mut answer) => {
                    let count = count.ok().filter(|count| *count > 0)?;
                    if is_blob {
                        self.blob_bytes.fetch_add(count, Ordering::SeqCst);
                    }
                    let passed = cut_in.map_or(count, |left: usize| left.min(count));
                    client.write_all(&answer[..passed]).await.ok()?;
                    if let Some(left) = &mut cut_in {
                        *left -= passed;
                        if *left == 0 {
                            return None;
                        }
                    }
                }
            }
        }
    }

    /// Remembers a request, and answers with its first line.
    fn note(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().next().unwrap_or_default();
        let range = text.lines().find(|line| line.to_ascii_lowercase().starts_with("range:")).unwrap_or_default();
        self.requests.lock().unwrap().push(format!("{line} {range}"));
        line.to_owned()
    }
}

/// Takes one if there is one.
fn take(left: &AtomicUsize) -> bool {
    left.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}
