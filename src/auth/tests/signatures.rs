//! Signatures: the vectors of RFC 4231, and what a stranger could try.

use super::*;

/// HMAC-SHA256 of RFC 4231, 4.2 to 4.8, without the truncated one: key, data, result, in hexadecimal digits.
const VECTORS: [(&str, &str, &str); 6] = [
    (
        "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        "4869205468657265",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        "4a656665",
        "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    ),
    (
        "0102030405060708090a0b0c0d0e0f10111213141516171819",
        "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    (
        "aa * 131",
        "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    (
        "aa * 131",
        "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    if let Some((byte, times)) = hex.split_once(" * ") {
        return bytes(byte).repeat(times.parse().unwrap());
    }
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

/// The source `signer`, with this secret.
fn signer(secret: &[u8]) -> Keys {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(secret);
    let settings = Settings {
        secrets: vec![format!("base64:{secret}")],
        ids: texts(&["id1"]),
        ..Settings::default()
    };
    let source = Arc::new(Source::new("signer", &settings, Arc::default(), None).unwrap());
    let mut keys = Keys::default();
    keys.add(&source, Vec::new(), &settings.ids, &[]).unwrap();
    keys
}

/// Whether a body is taken as signed.
fn judge(kind: &str, keys: &Keys, head: &Head, body: &[u8], now: u64) -> Result<String, Refusal> {
    let policy = Policy::parse(&texts(&[kind])).unwrap_or_else(|error| panic!("{error}"));
    let Passed::Later(pending) = why(policy.before_body(head, keys, || now))? else {
        panic!("a signature needs the body")
    };
    let source = why(policy.signed(&pending, body).unwrap())?;
    Ok(source.name.to_string())
}

#[test]
fn the_vectors_of_rfc_4231_are_met() {
    for (key, data, expected) in VECTORS {
        let keys = signer(&bytes(key));
        let judge = |signature: &str, data: &[u8]| {
            let head = Head::of(&[("x-signature", signature)]);
            judge("hmac:x-signature source=signer", &keys, &head, data, NOW)
        };
        let data = bytes(data);
        assert_eq!(judge(expected, &data), Ok("signer".into()), "{expected}");
        assert_eq!(judge(&expected.to_uppercase(), &data), Ok("signer".into()));
        let mut other = data.clone();
        other[0] ^= 1;
        assert_eq!(judge(expected, &other), Err(Refusal::BadSignature));
        let mut forged = expected.replace('0', "1");
        assert_eq!(judge(&forged, &data), Err(Refusal::BadSignature));
        forged.truncate(32);
        assert_eq!(judge(&forged, &data), Err(Refusal::BadSignature));
    }
}

fn sign(secret: &str, body: &str) -> Vec<u8> {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_id_chooses_the_source_and_any_of_its_secrets_signs() {
    let kind = "hmac:authorization id=path:app_id";
    let keys = keys();
    let mut head = Head::default();
    for (secret, expected) in [
        ("an old secret", Ok("shop".to_owned())),
        ("a new secret", Ok("shop".to_owned())),
        ("another secret", Err(Refusal::BadSignature)),
    ] {
        let signature = hex(&sign(secret, "{}"));
        head.headers
            .insert("authorization", HeaderValue::from_str(&signature).unwrap());
        head.captures.insert("app_id".into(), "id1234".into());
        assert_eq!(judge(kind, &keys, &head, b"{}", NOW), expected, "{secret}");
        head.captures.insert("app_id".into(), "id9999".into());
        assert_eq!(
            judge(kind, &keys, &head, b"{}", NOW),
            Err(Refusal::UnknownKey)
        );
    }
    head.headers
        .append("authorization", HeaderValue::from_static("x"));
    assert_eq!(judge(kind, &keys, &head, b"{}", NOW), Err(Refusal::Doubled));
    assert_eq!(
        judge(kind, &keys, &Head::default(), b"{}", NOW),
        Err(Refusal::NoKey)
    );
}

#[test]
fn base64_is_taken_in_each_of_its_forms_and_behind_a_prefix() {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    let kind = "hmac:x-hub prefix=sha256= source=shop encoding=base64";
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let signature = engine.encode(sign("a new secret", "body"));
        let head = Head::of(&[("x-hub", &format!("sha256={signature}"))]);
        assert_eq!(judge(kind, &keys(), &head, b"body", NOW), Ok("shop".into()));
        let bare = Head::of(&[("x-hub", &signature)]);
        assert_eq!(
            judge(kind, &keys(), &bare, b"body", NOW),
            Err(Refusal::BadSignature)
        );
    }
}

#[test]
fn a_signature_of_another_time_or_with_another_time_is_none() {
    let kind = "hmac:x-sig source=shop time=x-time within=5m";
    let at = |signed: u64, told: &str, now: u64| {
        let signature = hex(&sign("a new secret", &format!("{signed}.body")));
        let head = Head::of(&[("x-sig", &signature), ("x-time", told)]);
        judge(kind, &keys(), &head, b"body", now)
    };
    let told = NOW.to_string();
    for now in [NOW - 300, NOW, NOW + 300] {
        assert_eq!(at(NOW, &told, now), Ok("shop".into()));
    }
    for now in [NOW - 301, NOW + 301, 0] {
        assert_eq!(at(NOW, &told, now), Err(Refusal::SignatureTime));
    }
    assert_eq!(
        at(NOW * 1_000, &(NOW * 1_000).to_string(), NOW),
        Ok("shop".into())
    );
    // The time is signed.
    assert_eq!(at(NOW - 1, &told, NOW), Err(Refusal::BadSignature));
    for told in ["", "-1", "soon", "99999999999999999999", " 1800000000"] {
        assert_eq!(at(NOW, told, NOW), Err(Refusal::SignatureTime), "{told}");
    }
    let without = Head::of(&[("x-sig", &hex(&sign("a new secret", "body")))]);
    assert_eq!(
        judge(kind, &keys(), &without, b"body", NOW),
        Err(Refusal::SignatureTime)
    );
    let templated = "hmac:x-sig source=shop time=x-time within=5m signed=v0:{time}:{body}";
    let signature = hex(&sign("a new secret", &format!("v0:{told}:body")));
    let head = Head::of(&[("x-sig", &signature), ("x-time", &told)]);
    assert_eq!(
        judge(templated, &keys(), &head, b"body", NOW),
        Ok("shop".into())
    );
}
