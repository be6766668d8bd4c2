//! The RFC's example byte for byte, and that what is encrypted can be read by the subscription and nobody else.

use proptest::prelude::*;
use ring::aead::OpeningKey;

use super::*;

/// RFC 8291 section 5 and appendix A.
const MESSAGE: &[u8] = b"When I grow up, I want to be a watermelon";
const SENDER_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
const BROWSER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
const BROWSER_PUBLIC: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH_SECRET: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const EXAMPLE_SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

/// A browser: its private key, and what it gives away.
pub struct Browser {
    key: EcKey<Private>,
    pub keys: Keys,
}

impl Browser {
    pub fn new() -> Self {
        let key = EcKey::generate(&P256).unwrap();
        let mut auth = [0; AUTH];
        SystemRandom::new().fill(&mut auth).unwrap();
        Self::of(key, auth)
    }

    fn of(key: EcKey<Private>, auth: [u8; AUTH]) -> Self {
        let public = key
            .public_key()
            .to_bytes(&P256, PointConversionForm::UNCOMPRESSED, &mut BigNumContext::new().unwrap())
            .unwrap();
        Self { key, keys: Keys { public: public.try_into().unwrap(), auth } }
    }

    pub fn p256dh(&self) -> String {
        BASE64URL.encode(self.keys.public)
    }

    pub fn auth(&self) -> String {
        BASE64URL.encode(self.keys.auth)
    }

    /// What a browser does with a body (RFC 8188 section 2.1, RFC 8291 section 3.4): the message, and the zeros behind it.
    pub fn decrypt(&self, body: &[u8]) -> Option<(Vec<u8>, usize)> {
        let (head, record) = body.split_at_checked(HEAD)?;
        let (salt, sender) = (&head[..SALT], &head[HEAD - PUBLIC_KEY..]);
        assert_eq!(head[SALT..SALT + 5], [0, 0, 0x10, 0, 65]);
        let shared = agree(&self.key, sender).ok()?;
        let mut input = [0; 32];
        derive(&self.keys.auth, &shared, &[b"WebPush: info\0", &self.keys.public, sender], &mut input)
            .ok()?;
        let (mut content, mut nonce) = ([0; 16], [0; 12]);
        derive(salt, &input, &[b"Content-Encoding: aes128gcm\0"], &mut content).ok()?;
        derive(salt, &input, &[b"Content-Encoding: nonce\0"], &mut nonce).ok()?;
        let mut key: OpeningKey<Once> =
            ring::aead::BoundKey::new(UnboundKey::new(&AES_128_GCM, &content).ok()?, Once(nonce));
        let mut record = record.to_vec();
        let opened = key.open_in_place(Aad::empty(), &mut record).ok()?;
        let end = opened.iter().rposition(|byte| *byte != 0)?;
        assert_eq!(opened[end], LAST_RECORD);
        Some((opened[..end].to_vec(), opened.len() - end - 1))
    }
}

struct Once([u8; 12]);

impl ring::aead::NonceSequence for Once {
    fn advance(&mut self) -> Result<Nonce, ring::error::Unspecified> {
        Ok(Nonce::assume_unique_for_key(self.0))
    }
}

fn private(text: &str) -> EcKey<Private> {
    let number = BigNum::from_slice(&BASE64URL.decode(text).unwrap()).unwrap();
    let mut public = EcPoint::new(&P256).unwrap();
    public.mul_generator2(&P256, &number, &mut BigNumContext::new().unwrap()).unwrap();
    EcKey::from_private_components(&P256, &number, &public).unwrap()
}

#[test]
fn the_rfc_s_example_comes_out_byte_for_byte() {
    let keys = Keys::parse(BROWSER_PUBLIC, AUTH_SECRET).unwrap();
    let salt = decode(EXAMPLE_SALT).unwrap();
    let body = seal(MESSAGE, &keys, 0, &private(SENDER_PRIVATE), salt).unwrap();
    assert_eq!(BASE64URL.encode(&body).trim_end_matches('='), BODY);
    let browser = Browser::of(private(BROWSER_PRIVATE), keys.auth);
    assert_eq!(browser.keys, keys);
    assert_eq!(browser.decrypt(&body), Some((MESSAGE.to_vec(), 0)));
}

#[test]
fn the_longest_message_fills_the_largest_body() {
    let browser = Browser::new();
    assert_eq!(MAX_PLAINTEXT, 3993);
    let body = encrypt(&[b'x'; MAX_PLAINTEXT], &browser.keys, 0).unwrap();
    assert_eq!(body.len(), MAX_BODY);
    assert_eq!(browser.decrypt(&body).unwrap().0.len(), MAX_PLAINTEXT);
}

#[test]
fn no_two_bodies_share_salt_or_key() {
    let browser = Browser::new();
    let heads: Vec<_> = (0..8).map(|_| encrypt(b"same", &browser.keys, 0).unwrap().slice(..HEAD)).collect();
    for (at, head) in heads.iter().enumerate() {
        let differ = |other: &Bytes| other[..SALT] != head[..SALT] && other[SALT + 5..] != head[SALT + 5..];
        assert!(heads[at + 1..].iter().all(differ));
    }
}

#[test]
fn keys_are_read_with_and_without_padding_and_refused_if_they_are_none() {
    let browser = Browser::new();
    let (p256dh, auth) = (browser.p256dh(), browser.auth());
    assert_eq!(Keys::parse(&p256dh, &auth).unwrap(), browser.keys);
    let bare = |text: &str| text.trim_end_matches('=').to_owned();
    assert_eq!(Keys::parse(&bare(&p256dh), &bare(&auth)).unwrap(), browser.keys);
    let mut off_curve = browser.keys.public;
    off_curve[64] ^= 1;
    for wrong in [&BASE64URL.encode(off_curve), &BASE64URL.encode([0; 65]), &p256dh[4..], "", "!"] {
        assert_eq!(Keys::parse(wrong, &auth), Err(KeysError::Public), "{wrong}");
    }
    for wrong in [&auth[4..], "", &p256dh] {
        assert_eq!(Keys::parse(&p256dh, wrong), Err(KeysError::Auth), "{wrong}");
    }
    assert!(!format!("{:?}", browser.keys).contains(char::is_numeric));
}

#[test]
fn padding_reaches_the_next_multiple_and_never_past_the_limit() {
    assert_eq!([padding(0, 128), padding(1, 128), padding(128, 128), padding(5, 0)], [0, 127, 0, 0]);
    assert_eq!(padding(MAX_PLAINTEXT - 1, 128), 1);
    assert_eq!(padding(MAX_PLAINTEXT, 4000), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_subscription_reads_what_was_sent_and_no_other_does(
        message in proptest::collection::vec(any::<u8>(), 0..2000), zeros in 0usize..300, at in any::<prop::sample::Index>(),
    ) {
        let (browser, other) = (Browser::new(), Browser::new());
        let body = encrypt(&message, &browser.keys, zeros).unwrap();
        prop_assert_eq!(browser.decrypt(&body), Some((message, zeros)));
        prop_assert_eq!(other.decrypt(&body), None);
        let mut damaged = body[HEAD..].to_vec();
        let at = at.index(damaged.len());
        damaged[at] ^= 1;
        prop_assert_eq!(browser.decrypt(&[&body[..HEAD], &damaged].concat()), None);
    }
}
