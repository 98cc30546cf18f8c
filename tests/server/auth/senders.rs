//! In whose name records are: that of the credential, whatever else the request says, and never that
//! of another request.

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{Headers as _, OwnedMessage},
};

use super::{
    PATIENCE, Rig, ask,
    case::{bearer, post},
    issuers::{self, ApiKey, ED, ES, HS, MOOSE, PB, RS, SET_A, SHA, full},
    table::Random,
};

const CONNECTIONS: usize = 4;
const RECORDS: usize = 300;

/// The headers that a request would like its record to have.
const WISHES: &str = "who: root\r\nsent-by: root\r\nX-Forwarded-User: root\r\n";

/// A sender: its name, whether its issuer wants the name in a header of its own, its token.
struct Sender {
    name: String,
    is_in_header: bool,
    token: String,
}

fn senders() -> Vec<Sender> {
    let keys = [
        (SHA, ApiKey::sha256(SHA)),
        (PB, ApiKey::pbkdf2(PB)),
        (MOOSE, ApiKey::pbkdf2(MOOSE)),
    ];
    let keys = keys.map(|(name, key)| Sender {
        name: name.to_owned(),
        is_in_header: false,
        token: key.token,
    });
    let jwts = [
        ("rs", RS.jwt()),
        ("es", ES.jwt()),
        ("ed", ED.jwt()),
        ("hs", HS.jwt()),
        ("set", SET_A.jwt()),
    ];
    let jwts = jwts.map(|(name, jwt)| Sender {
        name: format!("{name}'s subject"),
        is_in_header: false,
        token: jwt.claim("sub", &format!("\"{name}'s subject\"")).token(),
    });
    // What a header of HTTP could not carry is nothing special to Kafka.
    let odd = ["one", "another", "a\r\nwho: root", "é🦀", "nul\0nul"];
    let odd = odd.map(|name| Sender {
        name: name.to_owned(),
        is_in_header: true,
        token: full()
            .claim("sub", &serde_json::json!(name).to_string())
            .token(),
    });
    keys.into_iter().chain(jwts).chain(odd).collect()
}

#[test]
fn nobody_sends_in_anothers_name() {
    let signed = "name = \"Signed\"\nversion = \"1.0\"\ntopic = \"signed\"\n\
                 [kafka_headers]\nwho = { principal = true }\n";
    let rig = Rig::start_with(|builder| issuers::configure(builder).model_file(signed));
    let senders = senders();
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| rig.ringest.connect()).collect();
    let mut random = Random(1);
    for n in 0..RECORDS {
        let sender = random.below(senders.len());
        let lines = [&bearer(&senders[sender].token), WISHES.as_bytes()].concat();
        let body = format!("{{\"n\":{n},\"sender\":{sender}}}");
        let http = &mut connections[random.below(CONNECTIONS)];
        let answer = ask(
            &rig.ringest,
            http,
            &post("/ingest/Signed/1.0", &lines, body.as_bytes()),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for message in messages(&rig) {
        let record: serde_json::Value =
            serde_json::from_slice(message.payload().unwrap_or_default()).expect("our own JSON");
        let sender = record["sender"]
            .as_u64()
            .and_then(|it| usize::try_from(it).ok());
        let sender = &senders[sender.expect("our own record")];
        let name = sender.name.as_bytes();
        let mut expected = vec![("who", name)];
        if sender.is_in_header {
            expected.push(("sent-by", name));
        }
        let mut found = headers(&message);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{record}");
    }
}

fn messages(rig: &Rig) -> Vec<OwnedMessage> {
    let consumer: BaseConsumer = rig.mock.cluster().client();
    let mut partition = TopicPartitionList::new();
    partition
        .add_partition_offset("signed", 0, Offset::Beginning)
        .expect("an offset");
    consumer.assign(&partition).expect("the partition is there");
    let message = |_| {
        let message = consumer.poll(PATIENCE).expect("a record");
        message.expect("no error").detach()
    };
    (0..RECORDS).map(message).collect()
}

fn headers(message: &OwnedMessage) -> Vec<(&str, &[u8])> {
    let headers = message.headers().expect("the sender's name");
    let pairs = headers.iter();
    pairs
        .map(|it| (it.key, it.value.unwrap_or_default()))
        .collect()
}
