//! `GET /v1/results`: results by cursor, with a long poll. `GET /v1/pushes/{id}`: what has become of one push.

use std::io::Write;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};

use super::query::Query;
use super::{authorise, body, head, refuse};
use crate::feedback::results::{Numbered, Page};
use crate::ingest::answer::Answer;
use crate::ingest::{Ingest, find};
use crate::push::SenderId;

/// Results in an answer, unless the reader asks for another number.
const USUAL: u64 = 100;
const MOST: u64 = 1_000;

/// What a reader wants.
struct Wanted {
    after: u64,
    limit: usize,
    wait: Duration,
}

/// Answers with the results behind the cursor.
pub(super) async fn get(
    request: HttpRequest,
    mut rest: web::Payload,
    ingest: web::Data<Ingest>,
) -> HttpResponse {
    let known = reader(&request, &mut rest, &ingest).await;
    match known.and_then(|reader| Ok((reader, wanted(request.query_string())?))) {
        Ok((reader, Wanted { after, limit, wait })) => {
            let answer = answer(&ingest.results.page(reader, after, limit, wait).await);
            head(&answer).body(answer.body)
        }
        Err(answer) => refuse(answer, rest),
    }
}

/// Answers with the story of one push.
pub(super) async fn find(
    request: HttpRequest,
    id: web::Path<String>,
    mut rest: web::Payload,
    ingest: web::Data<Ingest>,
) -> HttpResponse {
    let reader = match reader(&request, &mut rest, &ingest).await {
        Ok(reader) => reader,
        Err(answer) => return refuse(answer, rest),
    };
    let answer = match find::find(&ingest, &id, reader).await {
        Some(story) => Answer::found(story.to_string().into_bytes()),
        None => {
            let message = "no push with that id is held or remembered (hint: deliveries are remembered for as long as [feedback] history lasts)";
            Answer::absent(message)
        }
    };
    head(&answer).body(answer.body)
}

/// Returns whose pushes the reader may see: its own, or everybody's where no tokens are needed.
///
/// A body means nothing here, but is read within its limits: what is left of it when the answer is out would cost the connection, or hold it
/// for as long as it comes.
async fn reader(
    request: &HttpRequest,
    rest: &mut web::Payload,
    ingest: &Ingest,
) -> Result<Option<SenderId>, Answer> {
    let sender = authorise(request, ingest)?;
    body::read(request, rest, &ingest.settings).await?;
    Ok((!ingest.settings.tokens.is_empty()).then_some(sender))
}

fn wanted(query: &str) -> Result<Wanted, Answer> {
    let query = Query::parse(query, &["after", "limit", "wait"])?;
    let limit = query.number("limit", USUAL, MOST)?.max(1);
    Ok(Wanted {
        after: query.number("after", 0, u64::MAX)?,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        wait: query.wait()?,
    })
}

fn answer(page: &Page) -> Answer {
    let mut body = Vec::with_capacity(64 + page.records.len() * 512);
    body.extend_from_slice(b"{\"results\":[");
    for (index, (number, record)) in page.records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        // Records always serialise, and writing to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut body, &Numbered(*number, record));
    }
    let Page { next, lost, restarted, .. } = page;
    let _ = write!(body, "],\"next\":{next},\"lost\":{lost},\"restarted\":{restarted}}}");
    Answer::found(body)
}
