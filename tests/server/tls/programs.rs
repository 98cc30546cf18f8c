//! curl and OpenSSL, where they are installed.

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use super::{DRIVERS, Rig};
use crate::support::{event::PATH, http::request, tls::file};

/// The program's output; `None` where it is not installed.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let mut command = Command::new(program);
    let spawned = command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: {program} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let mut output = String::new();
    std::thread::scope(|scope| {
        // Its end is the end of the program's connection: only once there is an answer.
        scope.spawn(|| {
            let _ = stdin.write_all(&input);
            let mut stdout = child.stdout.take().expect("piped");
            let _ = stdout.read_to_string(&mut output);
            drop(stdin);
        });
    });
    let ended = child.wait_with_output().expect("it ends");
    output += &String::from_utf8_lossy(&ended.stderr);
    Some(output)
}

#[test]
fn curl_sends_records_of_any_size() {
    for driver in DRIVERS {
        let rig = Rig::start(driver, |it| it);
        let before = rig.mock.cluster().read("events").len();
        let directory = tempfile::tempdir().expect("a directory");
        let port = rig.ringest.address().port().to_string();
        let url = format!("https://localhost:{port}{PATH}");
        let resolve = format!("localhost:{port}:127.0.0.1");
        let mut sent = Vec::new();
        for (bytes, more) in [
            (9, ["--tls-max", "1.2"]),
            (9, ["--tlsv1.3", "--http1.1"]),
            (900_000, ["--tlsv1.3", "--http2"]),
            (900_000, ["--tls-max", "1.2"]),
        ] {
            let body = format!("{{\"n\":\"{}\"}}", "y".repeat(bytes));
            let path = directory.path().join("body");
            fs::write(&path, &body).expect("written");
            let data = format!("@{}", path.display());
            let ca = file("ca.pem");
            let arguments = [
                &["-sS", "--cacert", &ca, "--resolve", &resolve][..],
                &[
                    "-H",
                    "Content-Type: application/json",
                    "--data-binary",
                    &data,
                ],
                &more,
                &[&url],
            ]
            .concat();
            let Some(output) = run("curl", &arguments, b"") else {
                return;
            };
            assert_eq!(output, r#"{"accepted":1}"#, "{more:?}");
            sent.push(body.into_bytes());
        }
        let produced = rig.mock.cluster().read("events").split_off(before);
        assert!(produced == sent, "{} records", produced.len());
        // A CA that it does not know.
        let output = run("curl", &["-sS", &url, "--resolve", &resolve], b"");
        let output = output.expect("it is installed");
        assert!(output.contains("SSL certificate problem"), "{output}");
        rig.settles();
    }
}

#[test]
fn openssl_gets_the_whole_chain_and_http_1_1() {
    let rig = Rig::start("auto", |it| it);
    let address = rig.ringest.address().to_string();
    let request = String::from_utf8(request(PATH, "application/json", b"{}")).expect("text");
    let request = request.replace("Host:", "Connection: close\r\nHost:");
    for version in ["-tls1_2", "-tls1_3"] {
        let ca = file("ca.pem");
        let arguments = ["s_client", "-connect", &address, "-servername", "localhost"];
        let more = ["-CAfile", &ca, "-verify_return_error", "-ign_eof", version];
        let more = [&arguments[..], &more, &["-alpn", "h2,http/1.1"]].concat();
        let Some(output) = run("openssl", &more, request.as_bytes()) else {
            return;
        };
        for expected in [
            "Verification: OK",
            "ALPN protocol: http/1.1",
            r#"{"accepted":1}"#,
        ] {
            assert!(output.contains(expected), "{expected}\n{output}");
        }
        let old = [&arguments[..], &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]].concat();
        let output = run("openssl", &old, b"").expect("it is installed");
        assert!(output.contains("SSL alert"), "{output}");
        assert!(output.contains("Cipher is (NONE)"), "{output}");
    }
    rig.settles();
}
