//! TLS of the public port: certificates and keys that can't be used, by the name of their file.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{LEAST, Place, least_and};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A place with these two files, copies of fixtures.
fn place(certificate: &str, key: &str) -> Place {
    let place = Place::new(&least_and(
        "[listen.tls]\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n",
    ));
    for (from, to) in [(certificate, "tls.crt"), (key, "tls.key")] {
        let from = Path::new(ROOT).join(from);
        fs::copy(from, place.directory.path().join(to)).expect("a fixture");
    }
    place
}

const SERVER: &str = "tests/support/tls/server.pem";
const KEY: &str = "tests/support/tls/server.key";

#[test]
fn a_certificate_and_its_key_are_good() {
    for (certificate, key) in [
        (SERVER, KEY),
        ("tests/support/tls/chain.pem", "tests/support/tls/chain.key"),
        ("tests/support/127.0.0.1.pem", "tests/support/127.0.0.1.key"),
    ] {
        let place = place(certificate, key);
        let config = place.load(&[]).expect("good");
        assert!(config.listen.tls.is_some());
        let files = ["tls.crt", "tls.key"].map(|it| place.directory.path().join(it));
        assert_eq!(config.watched(), files);
        let plain = Place::new(LEAST).load(&[]).expect("good");
        assert!(plain.listen.tls.is_none());
        assert!(plain.memory_max().connections < config.memory_max().connections);
    }
}

#[test]
fn what_is_wrong_is_said_with_the_file() {
    let of =
        |line: u32, key: &str, text: &str| format!("ringest.toml:{line}: listen.tls.{key}: {text}");
    let certificate = |text: &str| of(8, "certificate", &format!("tls.crt: {text}"));
    let key = |text: &str| of(9, "private_key", &format!("tls.key: {text}"));
    let keys = "tests/library/crypto/keys";
    for (files, expected) in [
        (
            ["tests/support/tls/expired.pem", KEY],
            certificate("the certificate has expired: it was valid until 2021-01-01T00:00:00Z"),
        ),
        (
            ["tests/support/tls/future.pem", KEY],
            certificate("the certificate is not valid yet: it is from 2120-01-01T00:00:00Z"),
        ),
        (
            [KEY, KEY],
            certificate("has no certificate: a PEM file with a block CERTIFICATE is expected"),
        ),
        (
            [SERVER, "tests/support/tls/device.key"],
            key("is not the private key of the certificate in tls.crt"),
        ),
        (
            [SERVER, SERVER],
            key(
                "has no private key: a PEM file with a block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE \
                 KEY is expected",
            ),
        ),
        (
            [SERVER, &format!("{keys}/rsa-2048.encrypted.key")],
            key("is encrypted: a key without a passphrase is needed (openssl pkey removes it)"),
        ),
    ] {
        let [certificate, key] = files;
        assert_eq!(place(certificate, key).errors(&[]), [expected], "{files:?}");
    }
}

#[test]
fn files_that_are_cut_or_absent_are_errors() {
    let place = place(SERVER, KEY);
    let path = |name: &str| place.directory.path().join(name);
    let whole = fs::read(path("tls.crt")).expect("it is there");
    for end in [1, 20, 100, whole.len() - 5] {
        fs::write(path("tls.crt"), &whole[..end]).expect("written");
        let errors = place.errors(&[]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].starts_with("ringest.toml:8: listen.tls.certificate: tls.crt: has "),
            "{errors:?}"
        );
    }
    // Base64 that is not a certificate.
    let text = String::from_utf8(whole).expect("PEM is text");
    fs::write(path("tls.crt"), text.replacen("MII", "AAA", 1)).expect("written");
    let errors = place.errors(&[]);
    assert!(
        errors[0].contains("tls.crt: an invalid certificate: "),
        "{errors:?}"
    );
    fs::remove_file(path("tls.crt")).expect("it is there");
    fs::remove_file(path("tls.key")).expect("it is there");
    assert_eq!(
        place.errors(&[]),
        [
            "ringest.toml:8: listen.tls.certificate: tls.crt can't be read: No such file or directory \
             (os error 2)",
            "ringest.toml:9: listen.tls.private_key: tls.key can't be read: No such file or directory \
             (os error 2)",
        ]
    );
}

#[test]
fn one_without_the_other_is_an_error() {
    for (given, missing, text) in [
        (
            "certificate",
            "private_key",
            "missing: the file of the certificate's private key",
        ),
        (
            "private_key",
            "certificate",
            "missing: the file of the private key's certificate",
        ),
    ] {
        let text = format!("ringest.toml: listen.tls.{missing}: {text}");
        let place = Place::new(&least_and(&format!("[listen.tls]\n{given} = \"x\"\n")));
        assert_eq!(place.errors(&[]), [text]);
    }
}

#[test]
fn further_certificates_need_a_name_and_a_default() {
    let other = |certificate: &str, key: &str| {
        format!(
            "[[listen.tls.certificates]]\ncertificate = \"{ROOT}/tests/support/tls/{certificate}\"\n\
             private_key = \"{ROOT}/tests/support/tls/{key}\"\n"
        )
    };
    let default = format!(
        "[listen.tls]\ncertificate = \"{ROOT}/{SERVER}\"\nprivate_key = \"{ROOT}/{KEY}\"\n"
    );
    let chain = other("chain.pem", "chain.key");
    let config = Place::new(&least_and(&format!("{default}{chain}")))
        .load(&[])
        .expect("good");
    assert_eq!(config.watched().len(), 4);
    assert_eq!(
        Place::new(&least_and(&chain)).errors(&[]),
        [
            "ringest.toml:7: listen.tls.certificates[0]: needs listen.tls.certificate, for clients that \
             ask for no name"
        ]
    );
    let wrong = other("chain.pem", "server.key").replace(ROOT, "");
    let nameless = "[[listen.tls.certificates]]\ncertificate = \"a\"\n";
    let errors = Place::new(&least_and(&format!("{default}{nameless}{wrong}"))).errors(&[]);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert_eq!(
        errors[0],
        "ringest.toml:10: listen.tls.certificates[0].private_key: missing: the path of a file"
    );
}

#[test]
fn certificates_of_clients_need_a_ca_and_an_identity() {
    let file = |name: &str| format!("{ROOT}/tests/support/tls/{name}");
    let server = format!(
        "[listen.tls]\ncertificate = \"{ROOT}/{SERVER}\"\nprivate_key = \"{ROOT}/{KEY}\"\n"
    );
    let good = format!(
        "{server}client_ca = \"{}\"\nclient_crl = \"{}\"\nclient_certificates = \"required\"\n\
         [[auth.certificates]]\nname = \"a\"\nsan = \"dns:A.example.com\"\n\
         [[auth.certificates]]\nname = \"b\"\nsubject = \"CN=b\"\n",
        file("ca.pem"),
        file("revoked.crl.pem")
    );
    let errors = Place::new(&least_and(&good)).errors(&[]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("auth.certificates[0].san: \"dns:A.example.com\" is not allowed: "));
    let good = good.replace("dns:", "DNS:");
    let config = Place::new(&least_and(&good)).load(&[]).expect("good");
    assert_eq!(config.watched().len(), 4);
    assert_eq!(config.auth.certificates.len(), 2);
    assert_eq!(
        config.warnings.len(),
        1,
        "authentication is off: {:?}",
        config.warnings
    );

    let lines = |text: &str| Place::new(&least_and(text)).errors(&[]);
    let no_ca = good.replace(&format!("client_ca = \"{}\"\n", file("ca.pem")), "");
    let errors = lines(&no_ca);
    let needs = "needs listen.tls.client_ca: the CAs of the certificates";
    assert_eq!(
        errors.iter().filter(|it| it.ends_with(needs)).count(),
        2,
        "{errors:?}"
    );
    let unused = "has no effect without listen.tls.client_ca";
    assert_eq!(
        errors.iter().filter(|it| it.ends_with(unused)).count(),
        2,
        "{errors:?}"
    );
    for (wrong, expected) in [
        (
            good.replace("ca.pem", "server.key"),
            "has no certificate of a CA: a PEM file with a block CERTIFICATE is expected",
        ),
        (
            good.replace("revoked.crl.pem", "ca.pem"),
            "has no revocation list: a PEM file with a block X509 CRL is expected",
        ),
        (
            good.replace("subject = \"CN=b\"", ""),
            "auth.certificates[1]: no identity: set san or subject",
        ),
        (
            good.replace("subject =", "san = \"IP:::1\"\nsubject ="),
            "auth.certificates[1].subject: not allowed together with san",
        ),
        (
            good.replace("subject = \"CN=b\"", "san = \"DNS:a.example.com\""),
            "auth.certificates[1].san: the same as auth.certificates[0].san at ringest.toml:15",
        ),
    ] {
        let errors = lines(&wrong);
        assert!(
            errors.len() == 1 && errors[0].ends_with(expected),
            "{errors:?}"
        );
    }
}

/// They are compared as a whole, so that one in another form authenticates nobody.
#[test]
fn a_certificate_that_probably_nobody_has_is_a_warning() {
    let file = |name: &str| format!("{ROOT}/tests/support/tls/{name}");
    let warnings = |identity: &str| {
        let text = format!(
            "[listen.tls]\ncertificate = \"{ROOT}/{SERVER}\"\nprivate_key = \"{ROOT}/{KEY}\"\n\
             client_ca = \"{}\"\n[[auth.certificates]]\nname = \"a\"\n{identity}\n",
            file("ca.pem")
        );
        let config = Place::new(&least_and(&text)).load(&[]).expect("good");
        let warnings = config.warnings.into_iter();
        warnings
            .filter(|it| it.contains("auth.certificates[0]."))
            .collect::<Vec<_>>()
    };
    for good in [
        "subject = \"CN=billing,O=Acme\"",
        "subject = \"CN=billing\"",
        "subject = \"O=Acme\"",
        "subject = \"CN=billing,O=Acme\\\\, Inc.,C=DE\"",
        "subject = \"CN=a b,OU=x,DC=example,DC=com\"",
        "subject = \"UID=7,O=Acme\"",
        "san = \"DNS:device-1.example.com\"",
        "san = \"URI:spiffe://example.com/*.x\"",
    ] {
        assert_eq!(warnings(good), [""; 0], "{good}");
    }
    for (identity, expected) in [
        (
            "subject = \"O = Acme, CN = billing\"",
            "probably matches no certificate: ",
        ),
        ("subject = \"CN = billing\"", "RFC 4514"),
        (
            "subject = \"CN=billing, O=Acme\"",
            "it is not what RFC 4514 defines",
        ),
        ("subject = \"cn=billing\"", "RFC 4514"),
        (
            "subject = \"/O=Acme/CN=billing\"",
            "it has slashes for commas",
        ),
        (
            "subject = \"O=Acme,CN=billing\"",
            "RFC 4514 begins with what openssl prints last",
        ),
        ("subject = \"billing\"", "it is not what RFC 4514 defines"),
        (
            "san = \"DNS:*.example.com\"",
            "matches only a certificate that has this wildcard itself",
        ),
    ] {
        let warnings = warnings(identity);
        assert!(
            warnings.len() == 1 && warnings[0].contains(expected),
            "{identity}: {warnings:?}"
        );
    }
}

#[test]
fn an_expired_revocation_list_is_warned_of() {
    let file = |name: &str| format!("{ROOT}/tests/support/tls/{name}");
    let list = fs::read_to_string(file("revoked.crl.pem")).expect("a fixture");
    let block: String = list.lines().filter(|it| !it.starts_with('-')).collect();
    let mut der = BASE64_STANDARD.decode(block).expect("a PEM block");
    // Its signature, which is not verified here, does not hold any more.
    let (due, past) = (b"21250623203811Z", b"20210623203811Z");
    let at = der.windows(due.len()).position(|it| it == due);
    let at = at.expect("nextUpdate of the fixture");
    der[at..at + past.len()].copy_from_slice(past);
    let directory = tempfile::tempdir().expect("a directory");
    let expired = directory.path().join("expired.crl.pem");
    let text = BASE64_STANDARD.encode(&der);
    let text = format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n");
    fs::write(&expired, text).expect("written");
    let warnings = |list: &str| {
        let lines = format!(
            "[listen.tls]\ncertificate = \"{}\"\nprivate_key = \"{}\"\nclient_ca = \"{}\"\n\
             client_crl = \"{list}\"\n",
            file("server.pem"),
            file("server.key"),
            file("ca.pem")
        );
        let config = Place::new(&least_and(&lines)).load(&[]).expect("good");
        let warnings = config.warnings.into_iter();
        let warnings = warnings.filter(|it| it.contains("listen.tls.client_crl"));
        warnings.collect::<Vec<_>>()
    };
    assert_eq!(warnings(&file("revoked.crl.pem")), [""; 0]);
    let found = warnings(expired.to_str().expect("a plain name"));
    let expected = "expired.crl.pem: a revocation list has expired: its successor was due at \
                    2021-06-23T20:38:11Z (nextUpdate); certificates that were revoked since are accepted";
    assert!(
        found.len() == 1 && found[0].ends_with(expected),
        "{found:?}"
    );
}
