//! Requests on their way there and answers on their way back.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::line::{Line, Request, Stream};
use super::{Fault, Made, Shared, Stage};
use crate::client::{Answer, Message};
use crate::web::{Seen, acceptor};

/// Bytes of an answer that come one by one; the rest follows at once, since a test has other
/// things to do than to wait for a whole object.
const DRIPS: usize = 512;

/// Between two of them: the fault itself, and nothing that anybody waits for.
const DRIP_PAUSE: Duration = Duration::from_millis(1);

/// By how many bytes a length is wrong.
const LENGTH_WRONG_BY: usize = 7;

/// A record of TLS 1.2 and 1.3 with application data that nobody sealed.
const RUBBISH: [u8; 37] = {
    let mut record = [0x5a; 37];
    record[0] = 0x17;
    record[1] = 3;
    record[2] = 3;
    record[3] = 0;
    record[4] = 32;
    record
};

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // Whatever ends a connection, the client sees it end.
            let _ = connection(client, &shared).await;
        });
    }
}

async fn connection(client: TcpStream, shared: &Shared) -> Result<()> {
    client.set_nodelay(true)?;
    let mut line = Line::new(opened(client, shared).await?);
    while let Some(request) = line.request().await? {
        let met = shared.take(&request.method, &request.path);
        shared.seen().push(seen(&request));
        let Some((fault, stage)) = met else {
            let answer = ask(shared, &request, &request.body).await?;
            line.write(&written(&request, &answer, 0)).await?;
            continue;
        };
        line = suffered(line, shared, &request, fault, stage).await?;
    }
    Ok(())
}

async fn opened(client: TcpStream, shared: &Shared) -> Result<Box<dyn Stream>> {
    let Some(doors) = &shared.doors else {
        return Ok(Box::new(client));
    };
    let is_foreign = {
        let mut left = shared.foreign();
        let is_foreign = *left > 0;
        *left = left.saturating_sub(1);
        is_foreign
    };
    let issued = if is_foreign {
        &doors.foreign
    } else {
        &doors.own
    };
    Ok(Box::new(acceptor(issued)?.accept(client).await?))
}

/// The fault. An error ends the connection.
async fn suffered(
    mut line: Line,
    shared: &Shared,
    request: &Request,
    fault: Fault,
    stage: Stage,
) -> Result<Line> {
    let answer = match (stage, needs_answer(&fault)) {
        (Stage::Before, false) => None,
        _ => Some(ask(shared, request, &sent_body(request, &fault)).await?),
    };
    if matches!(fault, Fault::Stall) {
        shared.hold().await?;
        let answer = match answer {
            Some(answer) => answer,
            None => ask(shared, request, &request.body).await?,
        };
        line.write(&written(request, &answer, 0)).await?;
        return Ok(line);
    }
    if let (Fault::Halted, Some(answer)) = (&fault, &answer) {
        let all = written(request, answer, 0);
        line.write(&all[..half(&all)]).await?;
        shared.hold().await?;
        line.write(&all[half(&all)..]).await?;
        return Ok(line);
    }
    if fault == Fault::ForeignCertificate {
        *shared.foreign() += 1;
    }
    // Told before the client can know: it may be done with the answer before the last byte of
    // the fault is written.
    shared.happens();
    spoiled(line, request, &fault, answer).await
}

/// The answer as the fault leaves it.
async fn spoiled(
    mut line: Line,
    request: &Request,
    fault: &Fault,
    answer: Option<Answer>,
) -> Result<Line> {
    let answer = answer.unwrap_or_else(|| Answer {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
    });
    match fault {
        Fault::Answer(made) => line.write(&written(request, &of(made), 0)).await?,
        Fault::Truncated => {
            let all = written(request, &answer, 0);
            line.write(&all[..half(&all)]).await?;
            line.close().await?;
            bail!("it was truncated");
        }
        Fault::Flipped => {
            let answer = Answer {
                body: flipped(&answer.body),
                ..answer
            };
            line.write(&written(request, &answer, 0)).await?;
        }
        Fault::FlippedRequest => line.write(&written(request, &answer, 0)).await?,
        Fault::TooLong => {
            let wrong = LENGTH_WRONG_BY.cast_signed();
            line.write(&written(request, &answer, wrong)).await?;
            line.close().await?;
            bail!("it was too short for what it said");
        }
        Fault::TooShort => {
            let wrong = -LENGTH_WRONG_BY.min(answer.body.len()).cast_signed();
            line.write(&written(request, &answer, wrong)).await?;
        }
        Fault::Dripping => {
            let all = written(request, &answer, 0);
            let (drips, rest) = all.split_at(DRIPS.min(all.len()));
            for byte in drips {
                line.write(&[*byte]).await?;
                tokio::time::sleep(DRIP_PAUSE).await;
            }
            line.write(rest).await?;
        }
        Fault::BrokenTls => {
            line.write_below(&RUBBISH).await?;
            line.close().await?;
            bail!("it was no TLS");
        }
        Fault::Reset | Fault::ForeignCertificate | Fault::Stall | Fault::Halted => {
            line.reset()?;
            bail!("it was reset");
        }
    }
    Ok(line)
}

/// Whether there is no fault without the server's own answer.
fn needs_answer(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Truncated
            | Fault::Halted
            | Fault::Flipped
            | Fault::FlippedRequest
            | Fault::TooLong
            | Fault::TooShort
            | Fault::Dripping
    )
}

fn sent_body(request: &Request, fault: &Fault) -> Vec<u8> {
    if *fault == Fault::FlippedRequest {
        flipped(&request.body)
    } else {
        request.body.clone()
    }
}

async fn ask(shared: &Shared, request: &Request, body: &[u8]) -> Result<Answer> {
    // The client of the testkit sends these itself.
    let own = ["content-length", "connection", "transfer-encoding"];
    let headers = request.headers.iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .cloned()
        .collect();
    let message = Message {
        method: &request.method,
        path: &request.path,
        headers: &headers,
        body,
    };
    shared.ask(&message).await
}

/// The answer as it goes over the line, saying a length that is so many bytes too large.
fn written(request: &Request, answer: &Answer, wrong_by: isize) -> Vec<u8> {
    let is_head = request.method == "HEAD";
    let mut head = format!("HTTP/1.1 {} As It Is\r\n", answer.status);
    let own = [
        "content-length",
        "connection",
        "transfer-encoding",
        "keep-alive",
    ];
    for (name, value) in &answer.headers {
        if !own.contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let told = answer.header("content-length").filter(|_| is_head);
    let length = told.map_or(Some(answer.body.len()), |told| told.parse().ok());
    let bodiless = matches!(answer.status, 204 | 304) && wrong_by == 0;
    if let Some(length) = length.filter(|_| !bodiless) {
        let length = length.saturating_add_signed(wrong_by);
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    let mut all = head.into_bytes();
    if !is_head {
        all.extend_from_slice(&answer.body);
    }
    all
}

fn of(made: &Made) -> Answer {
    let headers = made.headers.iter();
    Answer {
        status: made.status,
        headers: headers
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
        body: made.body.clone().into_bytes(),
    }
}

/// Half of the body, or of the head where there is none.
fn half(all: &[u8]) -> usize {
    let head = all.windows(4).position(|window| window == b"\r\n\r\n");
    let head = head.map_or(all.len(), |end| end + 4);
    if head == all.len() {
        head / 2
    } else {
        head + (all.len() - head) / 2
    }
}

fn flipped(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    let middle = body.len() / 2;
    if let Some(byte) = body.get_mut(middle) {
        *byte ^= 1;
    }
    body
}

fn seen(request: &Request) -> Seen {
    Seen {
        method: request.method.clone(),
        path: request.path.clone(),
        headers: request.header_map(),
        body: Vec::new(),
        size: request.body.len() as u64,
    }
}
