//! Keys in all their forms, what a token says, and how long it is used.

use openssl::pkey::PKey;

use super::*;

/// RFC 8292 section 2.4 and 3.2: a key, a token for an origin, and the signature over it.
const RFC_T: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0";

const MINUTE: Duration = Duration::from_secs(60);

fn pem() -> String {
    let key = EcKey::generate(&p256().unwrap()).unwrap();
    String::from_utf8(PKey::from_ec_key(key).unwrap().private_key_to_pem_pkcs8().unwrap()).unwrap()
}

fn origin(text: &str) -> Origin {
    Origin::fixture(text)
}

fn at(minutes: u32) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_453_480_568) + MINUTE * minutes
}

fn tokens() -> Tokens {
    Tokens::new(Key::parse(&pem()).unwrap(), "mailto:push@example.com".into())
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    let pkcs8 = pem();
    let key = private_key(&pkcs8).unwrap();
    let sec1 = String::from_utf8(key.private_key_to_pem().unwrap()).unwrap();
    let raw = URL_SAFE_NO_PAD.encode(key.private_key().to_vec_padded(HALF).unwrap());
    let public = Key::parse(&pkcs8).unwrap().public;
    assert_eq!(URL_SAFE_NO_PAD.decode(&public).unwrap().len(), 65);
    for text in [sec1, raw.clone(), format!("{raw}=\n")] {
        assert_eq!(Key::parse(&text).unwrap().public, public);
    }
    assert!(!format!("{:?}", Key::parse(&raw).unwrap()).contains(&raw));
}

#[test]
fn what_cannot_sign_is_refused() {
    let other = EcKey::generate(&EcGroup::from_curve_name(Nid::SECP384R1).unwrap()).unwrap();
    let other = String::from_utf8(other.private_key_to_pem().unwrap()).unwrap();
    assert_eq!(Key::parse(&other), Err(KeyError::Curve));
    assert_eq!(Key::parse(&URL_SAFE_NO_PAD.encode([0; 32])), Err(KeyError::Curve));
    assert_eq!(Key::parse(&URL_SAFE_NO_PAD.encode([0xff; 32])), Err(KeyError::Curve));
    let public = Key::parse(&pem()).unwrap().public;
    for text in ["", "demo", &public, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        assert_eq!(Key::parse(text), Err(KeyError::Form), "{text}");
    }
}

#[test]
fn a_token_has_the_rfc_s_words_and_a_signature_that_the_public_key_verifies() {
    let tokens = tokens();
    let token = tokens.get(&origin("https://push.example.net/push/x"), at(0)).unwrap();
    assert!(token.header.is_sensitive());
    let text = token.header.to_str().unwrap();
    let (t, k) = text.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(k, tokens_key(&tokens));
    let (signed, signature) = t.rsplit_once('.').unwrap();
    let decoded = |text: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    let (header, claims) = signed.split_once('.').unwrap();
    let (rfc_header, rfc_claims) = RFC_T.split_once('.').unwrap();
    assert_eq!(decoded(header), decoded(rfc_header));
    // The RFC's token is for the same origin and subject and ends at the same second.
    assert_eq!(decoded(claims), decoded(rfc_claims));
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let half = |range| BigNum::from_slice(&signature[range]).unwrap();
    let signature = EcdsaSig::from_private_components(half(0..32), half(32..64)).unwrap();
    let group = p256().unwrap();
    let point = URL_SAFE_NO_PAD.decode(k).unwrap();
    let point = EcPoint::from_bytes(&group, &point, &mut BigNumContext::new().unwrap()).unwrap();
    let key = EcKey::from_public_key(&group, &point).unwrap();
    assert!(signature.verify(&sha256(signed.as_bytes()), &key).unwrap());
}

fn tokens_key(tokens: &Tokens) -> String {
    let token = tokens.get(&origin("https://push.example.net/"), at(0)).unwrap();
    token.header.to_str().unwrap().rsplit_once("k=").unwrap().1.to_owned()
}

#[test]
fn a_token_is_kept_until_an_hour_before_its_end_and_each_origin_has_its_own() {
    let tokens = tokens();
    let (a, b) = (origin("https://a.example/1"), origin("https://b.example/"));
    let first = tokens.get(&a, at(0)).unwrap();
    assert_eq!(tokens.get(&origin("https://a.example/2"), at(659)).unwrap(), first);
    assert_ne!(tokens.get(&b, at(0)).unwrap(), first);
    let second = tokens.get(&a, at(660)).unwrap();
    assert_ne!(second, first);
    assert_eq!(tokens.get(&a, at(661)).unwrap(), second);
    let set_back = tokens.get(&a, at(0)).unwrap();
    assert_ne!(set_back, second, "a token of the future is not used");
}

#[test]
fn a_refused_token_is_replaced_once_it_is_old_enough_to_be_the_reason() {
    let tokens = tokens();
    let a = origin("https://a.example/");
    let first = tokens.get(&a, at(0)).unwrap();
    assert!(!tokens.refused(&a, first.generation, at(9)));
    assert_eq!(tokens.get(&a, at(9)).unwrap(), first);
    assert!(tokens.refused(&a, first.generation, at(10)));
    let second = tokens.get(&a, at(10)).unwrap();
    assert_ne!(second, first);
    assert!(tokens.refused(&a, first.generation, at(11)), "the other token was not refused yet");
    assert_eq!(tokens.get(&a, at(11)).unwrap(), second);
}

#[test]
fn a_subject_is_an_address_that_every_service_takes() {
    for fine in ["mailto:push@example.com", "https://example.com", "https://example.com:8443/contact?x=1"] {
        assert!(is_subject(fine), "{fine}");
    }
    for wrong in [
        "",
        "push@example.com",
        "mailto:",
        "mailto:@example.com",
        "mailto:push",
        "mailto:push@localhost",
        "mailto:<push@example.com>",
        "mailto: push@example.com",
        "mailto:a@b@example.com",
        "http://example.com",
        "https://localhost/x",
        "https://printer.local",
        "https://example.invalid",
        "https://example..com",
        "https://example.com.",
    ] {
        assert!(!is_subject(wrong), "{wrong}");
    }
}
