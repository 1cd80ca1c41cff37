//! What stands before a panel: a door that encrypts, and now and then shakes hands slowly. A
//! gateway that is stopped meanwhile has an order marked as being sent and not a byte of it on its
//! way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::plan::Chance;

/// An authority that signed the certificate for 127.0.0.1 and nothing else.
const CA: &str = include_str!("../it/tls/ca.pem");
const CERTIFICATE: &str = include_str!("../it/tls/panel.pem");
const CERTIFICATE_KEY: &str = include_str!("../it/tls/key.pem");

/// Of so many handshakes one is slow, and takes so many milliseconds at most.
const SLOW_ONE_IN: u64 = 4;
const SLOW_MS_MAX: u64 = 400;

/// The authority's file, for the gateways' `ca_file`.
pub fn write_authority(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("panels-ca.pem");
    std::fs::write(&path, CA)?;
    Ok(path)
}

/// A door before one panel.
pub struct Relay {
    port: u16,
    /// Handshakes that are slow at this moment.
    shaking: Arc<AtomicU64>,
    _stop: DropGuard,
}

impl Relay {
    /// Before the panel at this address, `http://HOST:PORT`.
    pub async fn before(panel: &str, seed: u64) -> anyhow::Result<Self> {
        let panel = panel
            .strip_prefix("http://")
            .context("a panel's address")?
            .to_owned();

        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (acceptor, shaking) = (acceptor()?, Arc::new(AtomicU64::new(0)));

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (passing, counted) = (tasks.clone(), shaking.clone());

        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut chance = Chance::of(seed, 7);
            while let Ok((stream, _)) = listener.accept().await {
                let slow = chance
                    .one_in(SLOW_ONE_IN)
                    .then(|| Duration::from_millis(1 + chance.below(SLOW_MS_MAX)));

                passing.spawn(pass(
                    stream,
                    acceptor.clone(),
                    panel.clone(),
                    slow,
                    counted.clone(),
                ));
            }
        }));

        Ok(Self {
            port,
            shaking,
            _stop: stop.drop_guard(),
        })
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// How many handshakes are slow at this moment.
    pub fn shaking(&self) -> u64 {
        self.shaking.load(Ordering::Relaxed)
    }
}

fn acceptor() -> anyhow::Result<TlsAcceptor> {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(CERTIFICATE_KEY.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;

    Ok(TlsAcceptor::from(Arc::new(
        builder.with_no_client_auth().with_single_cert(chain, key)?,
    )))
}

/// Whatever breaks here breaks a connection, as networks do.
async fn pass(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    panel: String,
    slow: Option<Duration>,
    shaking: Arc<AtomicU64>,
) {
    if let Some(slow) = slow {
        shaking.fetch_add(1, Ordering::Relaxed);
        // Nothing ever comes of it: it only takes its time.
        let _ = tokio::time::timeout(slow, std::future::pending::<()>()).await;
        shaking.fetch_sub(1, Ordering::Relaxed);
    }

    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };

    let Ok(mut panel) = TcpStream::connect(panel).await else {
        return;
    };

    let _ = copy_bidirectional(&mut stream, &mut panel).await;
}
