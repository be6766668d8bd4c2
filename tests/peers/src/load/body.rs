//! Writes the requests the generator sends.
//!
//! Pure text. The workers ask for one request after another; everything that does not change is made once.

use serde_json::json;

/// What the pushes look like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The route's name.
    pub route: String,
    /// The lane; the gateway's default when empty.
    pub priority: String,
    /// Time to live in seconds; the gateway's default when absent.
    pub ttl: Option<u32>,
    /// About how many bytes one push's JSON has.
    pub payload: usize,
    /// Pushes per request.
    pub batch: u32,
    /// What device tokens start with.
    pub token_prefix: String,
    /// Whether device tokens are hex, as Apple's are: the bytes of the prefix and the number.
    pub hex: bool,
    /// Whom all pushes are for, as JSON, instead of devices.
    pub to: Option<String>,
    /// How many different devices there are.
    pub devices: u64,
    /// What push ids start with; the gateway makes ids when absent.
    pub id_prefix: Option<String>,
}

/// Makes request after request.
#[derive(Debug, Clone)]
pub struct Writer {
    shape: Shape,
    /// The request line and the headers up to the length.
    head: Vec<u8>,
    /// A push up to its number, if it has an id.
    id: Option<Vec<u8>>,
    /// What follows, up to the device's number.
    target: Vec<u8>,
    /// How the device's number is written.
    device: Device,
    /// What follows that.
    tail: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    /// Its digits.
    Plain,
    /// Its digits in hex, which spell its digits.
    Hex,
    /// Not at all: all pushes are for one.
    Nobody,
}

impl Writer {
    /// Returns a writer of requests to `host` and `path`, with a bearer token if there is one.
    #[must_use]
    pub fn new(shape: Shape, host: &str, path: &str, bearer: Option<&str>) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
        if let Some(token) = bearer {
            head.push_str(&format!("authorization: Bearer {token}\r\n"));
        }
        head.push_str("content-length:");
        let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let prefix: String = if shape.hex { hex(&shape.token_prefix) } else { shape.token_prefix.clone() };
        let id = shape.id_prefix.as_ref().map(|prefix| format!("{{\"id\":\"{prefix}").into_bytes());
        let open = if id.is_some() { "\"," } else { "{" };
        let rest = tail(&shape);
        let (device, target, after) = match &shape.to {
            Some(to) => (Device::Nobody, format!("{open}\"to\":{to},"), ""),
            None => {
                let device = if shape.hex { Device::Hex } else { Device::Plain };
                (device, format!("{open}\"to\":{{\"token\":\"{prefix}"), "\"},")
            }
        };
        let tail = [after.as_bytes(), &rest].concat();
        let (head, target) = (head.into_bytes(), target.into_bytes());
        Self { shape, head, id, target, device, tail }
    }

    /// Appends the request whose first push has number `first`, with `count` pushes.
    pub fn request_into(&self, out: &mut Vec<u8>, first: u64, count: u32) {
        out.extend_from_slice(&self.head);
        // The length is known at the end and goes before it; a field's value may have blanks in front (RFC 9110 §5.5).
        let length_end = out.len() + Digits::MOST;
        out.resize(length_end, b' ');
        out.extend_from_slice(b"\r\n\r\n");
        let start = out.len();
        let single = count == 1 && self.shape.batch == 1;
        if !single {
            out.extend_from_slice(b"{\"pushes\":[");
        }
        for number in first..first + u64::from(count) {
            if number > first {
                out.push(b',');
            }
            self.push_into(out, number);
        }
        if !single {
            out.extend_from_slice(b"]}");
        }
        let length = Digits::of((out.len() - start) as u64);
        out[length_end - length.text().len()..length_end].copy_from_slice(length.text());
    }

    fn push_into(&self, body: &mut Vec<u8>, number: u64) {
        if let Some(id) = &self.id {
            body.extend_from_slice(id);
            body.extend_from_slice(Digits::of(number).text());
        }
        body.extend_from_slice(&self.target);
        let digits = Digits::of(number % self.shape.devices.max(1));
        match self.device {
            Device::Plain => body.extend_from_slice(digits.text()),
            // Digits are 0x30 to 0x39, so the token spells a text.
            Device::Hex => digits.text().iter().for_each(|digit| body.extend_from_slice(&[b'3', *digit])),
            Device::Nobody => {}
        }
        body.extend_from_slice(&self.tail);
    }
}

/// A number as text.
struct Digits {
    digits: [u8; Self::MOST],
    start: usize,
}

impl Digits {
    /// As many as the largest number has.
    const MOST: usize = 20;

    fn of(number: u64) -> Self {
        let (mut digits, mut start, mut rest) = ([b'0'; Self::MOST], Self::MOST - 1, number);
        while rest > 9 {
            digits[start] += (rest % 10) as u8;
            rest /= 10;
            start -= 1;
        }
        digits[start] += rest as u8;
        Self { digits, start }
    }

    fn text(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Returns everything of a push after its target, padded to the payload's size.
fn tail(shape: &Shape) -> Vec<u8> {
    let make = |padding: usize| {
        let mut rest = json!({
            "route": shape.route,
            "notification": {"title": "Ana & Bo in #general", "body": "x".repeat(padding)},
            "data": {"channel": "41771983423143937", "kind": "mention"},
        });
        if !shape.priority.is_empty() {
            rest["priority"] = json!(shape.priority);
        }
        if let Some(ttl) = shape.ttl {
            rest["ttl"] = json!(ttl);
        }
        rest.to_string()
    };
    let fixed = make(0).len() + shape.token_prefix.len() + r#"{"to":{"token":"123456"},"#.len();
    let text = make(shape.payload.saturating_sub(fixed).max(1));
    text.as_bytes()[1..].to_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn shape() -> Shape {
        Shape {
            route: "android".to_owned(),
            priority: "high".to_owned(),
            ttl: Some(60),
            payload: 300,
            batch: 3,
            token_prefix: "device-".to_owned(),
            hex: false,
            to: None,
            devices: 4,
            id_prefix: Some("run-".to_owned()),
        }
    }

    fn request(shape: Shape, first: u64, count: u32) -> (String, Value) {
        let mut out = Vec::new();
        Writer::new(shape, "localhost:1", "/v1/pushes", Some("t")).request_into(&mut out, first, count);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.rsplit_once("content-length:").unwrap().1;
        assert_eq!(length.trim_start(), body.len().to_string());
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn a_batch_numbers_its_pushes_and_cycles_through_the_devices() {
        let (head, body) = request(shape(), 6, 3);
        assert!(head.starts_with("POST /v1/pushes HTTP/1.1\r\n") && head.contains("authorization: Bearer t"));
        let pushes = body["pushes"].as_array().unwrap();
        let tokens: Vec<&str> = pushes.iter().map(|push| push["to"]["token"].as_str().unwrap()).collect();
        assert_eq!(tokens, ["device-2", "device-3", "device-0"]);
        assert_eq!(
            (&pushes[2]["id"], &pushes[2]["ttl"], &pushes[2]["route"]),
            (&json!("run-8"), &json!(60), &json!("android"))
        );
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 99, 100, 12_345_678, u64::MAX] {
            assert_eq!(Digits::of(number).text(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn tokens_may_be_hex() {
        let (_, body) = request(Shape { hex: true, token_prefix: "d-".to_owned(), ..shape() }, 3, 1);
        assert_eq!(body["pushes"][0]["to"]["token"], "642d33", "d-3");
        let many = Shape { hex: true, token_prefix: "d-".to_owned(), devices: 1000, ..shape() };
        assert_eq!(request(many, 120, 1).1["pushes"][0]["to"]["token"], "642d313230", "d-120");
    }

    #[test]
    fn all_pushes_may_be_for_one() {
        let (_, body) = request(Shape { to: Some(r#"{"endpoint":"x"}"#.to_owned()), ..shape() }, 3, 2);
        assert_eq!(
            (&body["pushes"][0]["to"], &body["pushes"][1]["to"]["endpoint"]),
            (&json!({"endpoint": "x"}), &json!("x"))
        );
    }

    #[test]
    fn a_batch_of_one_is_a_bare_push_of_about_the_asked_size() {
        let plain = Shape { batch: 1, id_prefix: None, priority: String::new(), ttl: None, ..shape() };
        let (_, body) = request(plain, 0, 1);
        assert!(body.get("id").is_none() && body.get("priority").is_none() && body.get("ttl").is_none());
        let size = body.to_string().len();
        assert!((290..=310).contains(&size), "{size}");
    }
}
