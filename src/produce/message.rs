//! Records in the forms that librdkafka takes them in.

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use rdkafka::bindings as rd;

use super::headers::Headers;

/// `RD_KAFKA_PARTITION_UA`, a cast in C that the bindings leave out: the partitioner chooses.
pub(super) const PARTITION_UNASSIGNED: i32 = -1;

/// What a record takes in a message beside its value, key and headers, at most, in bytes
/// (librdkafka's `RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD`: seven varints and the attributes).
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 36;

/// A record to enqueue.
pub(super) struct Message<'k> {
    /// Where it is.
    pub(super) bytes: *const u8,
    /// How long it is.
    pub(super) len: usize,
    /// What chooses its partition; librdkafka copies it at once.
    pub(super) key: Option<&'k [u8]>,
    /// Its time in milliseconds since 1970-01-01T00:00Z; 0: now. Told to librdkafka only with what
    /// is [carried](super::kafka::Handle::produce_all).
    pub(super) timestamp_ms: i64,
    /// The word that its delivery report hands back.
    pub(super) opaque: *mut c_void,
}

impl Message<'_> {
    /// As C has it: an empty key is not NULL, which would be none.
    pub(super) fn key(&self) -> (*const c_void, usize) {
        self.key
            .map_or((ptr::null(), 0), |key| (key.as_ptr().cast(), key.len()))
    }
}

/// What is filled anew for each request; kept for its allocations.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) batch: Batch,
    pub(super) fields: Fields,
}

/// Records of one request on their way into librdkafka.
#[derive(Default)]
pub(super) struct Batch(pub(super) Vec<rd::rd_kafka_message_t>);

impl Batch {
    pub(super) fn push(&mut self, message: &Message<'_>) {
        let (key, key_len) = message.key();
        self.0.push(rd::rd_kafka_message_t {
            err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
            rkt: ptr::null_mut(),
            partition: PARTITION_UNASSIGNED,
            payload: message.bytes.cast_mut().cast(),
            len: message.len,
            key: key.cast_mut(),
            key_len,
            offset: 0,
            _private: message.opaque,
        });
    }
}

/// All that one record carries, as `rd_kafka_produceva` reads it.
#[derive(Default)]
pub(super) struct Fields(Vec<rd::rd_kafka_vu_t>);

impl Fields {
    /// One record's fields, in place of the last one's.
    pub(super) fn fill<'f>(
        &'f mut self,
        topic: NonNull<rd::rd_kafka_topic_t>,
        partition: i32,
        message: &'f Message<'_>,
        headers: &'f Headers,
    ) -> &'f [rd::rd_kafka_vu_t] {
        use rd::{
            rd_kafka_vtype_t as Type, rd_kafka_vu_s__bindgen_ty_1 as Value,
            rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory,
            rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 as Header,
        };
        let (key, key_len) = message.key();
        let value = Memory {
            ptr: message.bytes.cast_mut().cast(),
            size: message.len,
        };
        let key = Memory {
            ptr: key.cast_mut(),
            size: key_len,
        };
        let fixed = [
            (
                Type::RD_KAFKA_VTYPE_RKT,
                Value {
                    rkt: topic.as_ptr(),
                },
            ),
            (Type::RD_KAFKA_VTYPE_PARTITION, Value { i32_: partition }),
            (Type::RD_KAFKA_VTYPE_VALUE, Value { mem: value }),
            (Type::RD_KAFKA_VTYPE_KEY, Value { mem: key }),
            (
                Type::RD_KAFKA_VTYPE_OPAQUE,
                Value {
                    ptr: message.opaque,
                },
            ),
            (
                Type::RD_KAFKA_VTYPE_TIMESTAMP,
                Value {
                    i64_: message.timestamp_ms,
                },
            ),
        ];
        let headers = headers.iter().map(|(name, value)| {
            let header = Header {
                name: name.as_ptr(),
                val: value.as_ptr().cast(),
                // No slice is longer than that.
                size: value.len().cast_signed(),
            };
            (Type::RD_KAFKA_VTYPE_HEADER, Value { header })
        });
        let all = fixed.into_iter().chain(headers);
        self.0.clear();
        self.0
            .extend(all.map(|(vtype, u)| rd::rd_kafka_vu_t { vtype, u }));
        &self.0
    }
}
