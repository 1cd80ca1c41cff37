//! `ca_file`: a panel whose certificate an authority of its own has signed is trusted by who names
//! that authority's file, and by nobody else; files that are none are told by `check`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use panelgate::config;
use panelgate::domain::money::Money;
use panelgate::upstream::{FailureKind, Panel};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::process::Command;

/// An authority that signed `panel.pem` for 127.0.0.1 and nothing else; both last for a hundred
/// years.
const CA: &str = include_str!("tls/ca.pem");
const PANEL: &str = include_str!("tls/panel.pem");
const PANEL_KEY: &str = include_str!("tls/key.pem");

const BALANCE: &str = r#"{"balance":"9.5","currency":"USD"}"#;

/// Answers so many connections over TLS, then is gone; its port.
fn panel(connections: usize) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(PANEL.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PANEL_KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();

    let settings = Arc::new(
        builder
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap(),
    );

    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let length = BALANCE.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{BALANCE}"
    );

    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let (Ok(mut stream), Ok(mut tls)) = (stream, ServerConnection::new(settings.clone()))
            else {
                return;
            };

            let mut stream = Stream::new(&mut tls, &mut stream);
            let mut asked = [0; 4_096];

            // Who does not trust us hangs up here.
            if stream.read(&mut asked).is_ok_and(|bytes| bytes > 0) {
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });

    port
}

fn file(port: u16, more: &str) -> String {
    format!(
        "[gateway]\ncurrency = \"USD\"\n[[provider]]\nid = \"own\"\nurl = \"https://127.0.0.1:{port}/api/v2\"\n\
         key_env = \"PANEL_KEY\"\ncurrency = \"USD\"\nmethod = \"GET\"\n{more}"
    )
}

fn asker(folder: &Path, text: &str) -> Panel {
    let read = config::read(text, folder, &BTreeMap::new()).unwrap();
    Panel::new(read.mapping.providers[0].clone(), SecretString::from("k")).unwrap()
}

#[tokio::test]
async fn an_authority_is_trusted_by_who_names_its_file_and_by_nobody_else() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("ca.pem"), CA).unwrap();
    let port = panel(3);
    let stranger = asker(folder.path(), &file(port, ""))
        .balance()
        .await
        .unwrap_err();

    assert_eq!(stranger.kind, FailureKind::NeverSent, "{stranger}");
    assert!(stranger.words.contains("certificate"), "{stranger}");

    let probe = [
        "provider",
        "probe",
        &format!("https://127.0.0.1:{port}/api/v2"),
        "--key-env",
        "PANEL_KEY",
    ];

    let output = Command::new(env!("CARGO_BIN_EXE_panelgate"))
        .args(probe)
        .env("PANEL_KEY", "k")
        .output()
        .await
        .unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && errors.contains("--ca-file"),
        "{errors}"
    );

    // Relative to the file's folder, as a key file is.
    let friend = asker(folder.path(), &file(port, "ca_file = \"ca.pem\"\n"))
        .balance()
        .await
        .unwrap();

    assert_eq!(friend.amount, Money::parse("9.5").unwrap());
}

#[test]
fn a_file_that_is_none_is_told_with_its_place() {
    let folder = TempDir::new().unwrap();
    let broken = CA.replacen("MII", "AAA", 1);

    for (content, says) in [
        (None, "ca.pem cannot be read: No such file"),
        (Some(String::new()), "holds no certificate; it must be PEM"),
        (
            Some(PANEL_KEY.to_owned()),
            "holds no certificate; it must be PEM",
        ),
        (Some(broken.clone()), "certificate 1 cannot be read"),
        (
            Some(format!("{CA}{broken}")),
            "certificate 2 cannot be read",
        ),
        (
            Some("x".repeat(1024 * 1024 + 1)),
            "is larger than 1048576 bytes",
        ),
    ] {
        let path = folder.path().join("ca.pem");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let text = file(1, "ca_file = \"ca.pem\"\n");
        let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 1);
        let told = config::read_on(&text, folder.path(), &BTreeMap::new(), today)
            .unwrap_err()
            .to_string();
        assert!(
            told.starts_with("providers.toml:9:11: provider \"own\": ca_file: ")
                && told.contains(says),
            "{told}"
        );
        // As a version, which may come from another machine, it is as good as any.
        let version = config::read(&text, folder.path(), &BTreeMap::new()).unwrap();
        let panel = Panel::new(
            version.mapping.providers[0].clone(),
            SecretString::from("k"),
        );
        assert!(
            panel.unwrap_err().to_string().contains(says),
            "the panel tells of it"
        );
    }
}
