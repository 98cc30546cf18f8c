//! Reading a compressed body: it is decoded while it arrives, into the buffer that librdkafka will get.
//!
//! Of the compressed bytes the connection's input holds no more than a part. Memory for what they become is
//! admitted as it is produced, and so is that of the decoder. Beyond a few steps the work is long work, done
//! in slices.

use std::{rc::Rc, time::Instant};

use crate::{
    admission::Permit,
    buffer::segment_capacity,
    context::Context,
    http::{
        BodyError, ChunkedDecoder, ChunkedLimits, ChunkedStep, Coding, ContentError, Decoder,
        Framing, Progress, RequestHead,
    },
    outcome::Refusal,
    quota::Quotas,
};

use super::{
    Connection, Interrupt,
    body::{OwnSegment, RawBody},
    charge::{announced_bytes, owe_bytes},
    transport::Unread,
};

/// The most bytes of a step's input. A stream can make each of them cost 0.1 µs without output, by code tables
/// that nothing is decoded with: 0.3 ms a step, measured.
const STEP_INPUT_BYTES: usize = 4 * 1024;

/// The most bytes of a step's output.
const STEP_OUTPUT_BYTES: usize = 64 * 1024;

/// Steps of a body that other requests wait for. Further ones are done in slices.
const DIRECT_STEPS: usize = 4;

/// How much larger bodies of JSON usually become: from so many bytes for each compressed one the memory grows.
pub(super) const USUAL_RATIO: usize = 8;

/// Bytes that any body may become, whatever the ratio.
const RATIO_FREE_BYTES: usize = 1024 * 1024;

/// A body that is being decoded.
struct Decoding {
    body: OwnSegment,
    /// Where its first byte is.
    headroom: usize,
    /// The most bytes of the segment that may be filled.
    most: usize,
    decoder: Decoder,
    /// For the decoder.
    permit: Permit,
    /// Bytes of it.
    permitted: usize,
    /// Compressed bytes so far.
    received: usize,
    steps: usize,
}

impl Decoding {
    /// For the body that comes next on the connection.
    fn new(connection: &Connection, coding: Coding, headroom: usize) -> Result<Self, Refusal> {
        let (context, transport) = (&connection.context, &connection.transport);
        let most = headroom + context.config.limits.body_bytes_max;
        let here = match transport.unread {
            Unread::Bytes(len) => usize::try_from(len).unwrap_or(usize::MAX),
            Unread::Chunked | Unread::Unknown => usize::MAX,
        };
        let here = here.min(transport.rest().len());
        let expected = (headroom + here * USUAL_RATIO)
            .min(STEP_OUTPUT_BYTES)
            .min(most);
        let permit = (context.admission).admit(connection.holder, segment_capacity(expected))?;
        let body = OwnSegment::new(headroom, expected, permit, &context.pool);
        let decoder = context.decoders.take(coding)?;
        let permitted = decoder.memory_bytes();
        Ok(Self {
            permit: body.permit.another(permitted)?,
            permitted,
            body,
            headroom,
            most,
            decoder,
            received: 0,
            steps: 0,
        })
    }

    /// Decodes a part of `input`: how many bytes of it, and whether there is no more output for them.
    fn step(&mut self, input: &[u8], context: &Context) -> Result<(usize, bool), Refusal> {
        self.steps += 1;
        let filled = self.body.segment.filled();
        let room = self.body.segment.room().min(self.most - filled);
        let limit = room.min(STEP_OUTPUT_BYTES);
        let progress = if limit == 0 {
            // It grows only if there is more.
            let mut byte = [0];
            let progress = self.decoder.decode(input, &mut byte)?;
            if progress.produced > 0 {
                if filled == self.most {
                    return Err(Refusal::BodyTooLarge);
                }
                self.body.grow(filled + 1, self.most, &context.pool)?;
                self.body.segment.append(&byte);
            }
            progress
        } else {
            let mut progress = Ok(Progress::default());
            self.body.segment.fill(limit, |room| {
                progress = self.decoder.decode(input, room);
                progress.map_or(0, |it| it.produced)
            });
            progress?
        };
        self.received += progress.consumed;
        self.check(context.config.limits.compression_ratio_max)?;
        let is_drained = progress.produced < limit.max(1);
        if progress == Progress::default() && !input.is_empty() {
            return Err(ContentError::Malformed.into());
        }
        Ok((progress.consumed, is_drained))
    }

    /// Checks what has become of the body and of the decoder's memory.
    fn check(&mut self, ratio_max: usize) -> Result<(), Refusal> {
        let memory = self.decoder.memory_bytes();
        if let Some(more) = memory.checked_sub(self.permitted).filter(|more| *more > 0) {
            self.permit.grow_by(more)?;
            self.permitted = memory;
        }
        let decoded = self.body.segment.filled() - self.headroom;
        if decoded > RATIO_FREE_BYTES && decoded > self.received.saturating_mul(ratio_max) {
            return Err(Refusal::CompressionRatio);
        }
        Ok(())
    }
}

impl Connection {
    /// Reads the body that `head` announces, which has this coding, as
    /// [`read_body`](Self::read_body) does. It counts as what it is decoded to.
    pub(super) async fn read_coded(
        &mut self,
        head: &RequestHead,
        coding: Coding,
        headroom: usize,
        quotas: Quotas<'_>,
    ) -> Result<RawBody, Interrupt> {
        let max = self.context.config.limits.body_bytes_max;
        let mut chunks = None;
        match head.framing {
            Framing::Length(len) if len > max as u64 => return Err(Refusal::BodyTooLarge.into()),
            Framing::None | Framing::Length(_) => {}
            Framing::Chunked => {
                self.transport.unread = Unread::Unknown;
                chunks = Some(ChunkedDecoder::new(ChunkedLimits::new(max)));
            }
        }
        let mut decoding = Decoding::new(self, coding, headroom)?;
        let (mut charged, mut waits) = (announced_bytes(head, max), false);
        while let Some(arrived) = self.arrived_part(chunks.as_mut())? {
            if arrived > 0 {
                let end = self.transport.start + arrived;
                self.decode(&mut decoding, end).await?;
                let decoded = (decoding.body.segment.filled() - headroom) as u64;
                owe_bytes(quotas, decoded.saturating_sub(charged));
                charged = charged.max(decoded);
            } else {
                self.receive_more(head, &mut waits).await?;
            }
        }
        decoding.decoder.finish()?;
        let Decoding {
            body: OwnSegment { segment, permit },
            decoder,
            received,
            ..
        } = decoding;
        self.context.decoders.give_back(decoder);
        let range = headroom..segment.filled();
        let decoded = &self.context.metrics.body_bytes_decoded;
        decoded.add(range.len() as u64);
        Ok(self.end_body(Some(segment), range, received, permit))
    }

    /// How many bytes of the compressed body are at the start of the input; `None` at its end.
    fn arrived_part(
        &mut self,
        chunks: Option<&mut ChunkedDecoder>,
    ) -> Result<Option<usize>, BodyError> {
        let rest = self.transport.rest();
        let Some(chunks) = chunks else {
            let left = match self.transport.unread {
                Unread::Bytes(left) => usize::try_from(left).unwrap_or(usize::MAX),
                Unread::Chunked | Unread::Unknown => usize::MAX,
            };
            return Ok((left > 0).then_some(left.min(rest.len())));
        };
        let (consumed, step) = chunks.decode(rest)?;
        Ok(match step {
            ChunkedStep::Data(data) => {
                self.transport.start += data.start;
                Some(data.len())
            }
            ChunkedStep::NeedMore => {
                self.transport.start += consumed;
                Some(0)
            }
            ChunkedStep::Done => {
                self.transport.start += consumed;
                None
            }
        })
    }

    /// Decodes the input up to `end`.
    async fn decode(&mut self, decoding: &mut Decoding, end: usize) -> Result<(), Interrupt> {
        while decoding.steps < DIRECT_STEPS {
            if self.decode_step(decoding, end)? {
                return Ok(());
            }
        }
        let context = Rc::clone(&self.context);
        loop {
            // Answers that are due do not wait for it.
            self.answer_unanswered().await?;
            let start = Instant::now();
            let slice = context.long_work.slice(self.holder.index()).await;
            let mut is_complete = false;
            while !is_complete && !slice.is_over() {
                is_complete = self.decode_step(decoding, end)?;
            }
            drop(slice);
            self.postpone_deadline(start.elapsed());
            if is_complete {
                return Ok(());
            }
        }
    }

    /// Whether all of the input up to `end` is decoded now.
    fn decode_step(&mut self, decoding: &mut Decoding, end: usize) -> Result<bool, Refusal> {
        let start = self.transport.start;
        let until = end.min(start + STEP_INPUT_BYTES);
        let input = self.transport.input().bytes(start..until);
        let (consumed, is_drained) = decoding.step(input, &self.context)?;
        self.transport.take_body(consumed);
        Ok(is_drained && start + consumed == end)
    }
}
