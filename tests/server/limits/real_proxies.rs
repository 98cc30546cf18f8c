//! nginx and `HAProxy` in front of ringest, where they are installed.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    carried::{headers, messages},
    proxies::{post, rig},
};
use crate::support::{http::Http, process::Process, wait::await_that};

/// The client behind the proxies, which are 127.0.0.2.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));

/// `RINGEST` and `PORT…` are replaced, and `DIRECTORY`.
const NGINX: &str = "
daemon off;
master_process off;
pid DIRECTORY/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    proxy_http_version 1.1;
    proxy_bind 127.0.0.2;
    server {
        listen 127.0.0.1:PORT0;
        location / {
            proxy_pass http://RINGEST;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
    }
    server {
        listen 127.0.0.1:PORT1;
        location / {
            proxy_pass http://RINGEST;
            proxy_set_header X-Forwarded-For \"\";
            proxy_set_header Forwarded \"$http_forwarded, for=\\\"$remote_addr:$remote_port\\\";proto=$scheme\";
        }
    }
}
";

const HAPROXY: &str = "
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen version-1
    mode tcp
    bind 127.0.0.1:PORT0
    server ringest RINGEST source 127.0.0.2 send-proxy
listen version-2
    mode tcp
    bind 127.0.0.1:PORT1
    server ringest RINGEST source 127.0.0.2 send-proxy-v2 proxy-v2-options crc32c
listen fields
    mode http
    bind 127.0.0.1:PORT2
    option forwardfor
    server ringest RINGEST source 127.0.0.2
listen both
    mode http
    bind 127.0.0.1:PORT3
    option forwardfor
    server ringest RINGEST source 127.0.0.2 send-proxy-v2
";

/// What a client claims of itself.
const CLAIM: &str = "X-Forwarded-For: 192.0.2.1\r\n";

#[test]
fn behind_nginx() {
    let Some(program) = installed("nginx") else {
        return;
    };
    let configured = |file: &Path| vec!["-p".into(), ".".into(), "-c".into(), file.into()];
    is_behind(
        &program,
        NGINX,
        configured,
        &[CLAIM, "Forwarded: for=192.0.2.1\r\n"],
    );
}

#[test]
fn behind_haproxy() {
    let Some(program) = installed("haproxy") else {
        return;
    };
    let configured = |file: &Path| vec!["-db".into(), "-f".into(), file.into()];
    is_behind(&program, HAPROXY, configured, &["", "", CLAIM, CLAIM]);
}

/// The path of a program; if there is none, says that the test is skipped.
fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let found = directories.map(|it| it.join(name)).find(|it| it.is_file());
    if found.is_none() {
        println!("skipped: {name} is not installed");
    }
    found
}

/// Starts the proxy and sends requests to each of its ports, with these lines in their heads: ringest
/// finds the client's address.
fn is_behind(
    program: &Path,
    configuration: &str,
    arguments: impl Fn(&Path) -> Vec<PathBuf>,
    lines: &[&str],
) {
    let rig = rig();
    let directory = tempfile::tempdir().expect("a directory");
    let listeners: Vec<_> = lines
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port"))
        .collect();
    let ports = listeners.iter().map(|it| it.local_addr().expect("bound"));
    let ports: Vec<SocketAddr> = ports.collect();
    drop(listeners);
    let mut text = configuration
        .replace("RINGEST", &rig.ringest.address().to_string())
        .replace("DIRECTORY", &directory.path().display().to_string());
    for (index, address) in ports.iter().enumerate() {
        text = text.replace(&format!("PORT{index}"), &address.port().to_string());
    }
    let file = directory.path().join("configuration");
    fs::write(&file, text).expect("written");
    let mut command = Command::new(program);
    command
        .args(arguments(&file))
        .current_dir(directory.path())
        .stdin(Stdio::null());
    let _proxy = Process::spawn(&mut command).expect("the proxy starts");
    for (address, lines) in ports.iter().zip(lines) {
        await_that("the proxy does not listen", || {
            Http::connect(*address).is_ok()
        });
        let mut http = Http::connect_from(CLIENT, *address).expect("the proxy accepts");
        for _ in 0..3 {
            http.send(&post(lines)).expect("the proxy reads");
            assert_eq!(http.answer().expect("an answer").status, 200, "{lines}");
        }
    }
    for message in messages(&rig, 3 * lines.len()) {
        assert_eq!(headers(&message), [("client", &b"127.0.0.5"[..])]);
    }
}
