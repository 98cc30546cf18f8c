//! Records in the forms that librdkafka takes them in.
#![expect(
    unsafe_code,
    reason = "the headers of a record that waits are borrowed by pointer"
)]

use std::{
    ffi::c_void,
    ptr::{self, NonNull},
};

use rdkafka::bindings as rd;

use super::{headers::Headers, record::Record};

/// `RD_KAFKA_PARTITION_UA`, a cast in C that the bindings leave out: the partitioner chooses.
pub(super) const PARTITION_UNASSIGNED: i32 = -1;

/// What a record takes in a message beside its value, key and headers, at most, in bytes
/// (librdkafka's `RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD`: seven varints and the attributes).
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 36;

/// What is filled anew for each batch; kept for its allocations.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) messages: Vec<rd::rd_kafka_message_t>,
    pub(super) fields: Fields,
}

/// A record without headers and with the time of now, as `rd_kafka_produce_batch` reads it.
pub(super) fn plain_message(record: &Record, opaque: *mut c_void) -> rd::rd_kafka_message_t {
    rd::rd_kafka_message_t {
        err: rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
        rkt: ptr::null_mut(),
        partition: PARTITION_UNASSIGNED,
        payload: record.bytes.cast_mut().cast(),
        len: record.len as usize,
        key: record.key.cast_mut().cast(),
        key_len: record.key_len as usize,
        offset: 0,
        _private: opaque,
    }
}

/// All that one record carries, as `rd_kafka_produceva` reads it.
#[derive(Default)]
pub(super) struct Fields(Vec<rd::rd_kafka_vu_t>);

impl Fields {
    /// One record's fields, in place of the last one's. They point to its key and headers.
    pub(super) fn fill(
        &mut self,
        topic: NonNull<rd::rd_kafka_topic_t>,
        partition: i32,
        record: &Record,
        opaque: *mut c_void,
    ) -> &[rd::rd_kafka_vu_t] {
        use rd::{
            rd_kafka_vtype_t as Type, rd_kafka_vu_s__bindgen_ty_1 as Value,
            rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory,
            rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 as Header,
        };
        let value = Memory {
            ptr: record.bytes.cast_mut().cast(),
            size: record.len as usize,
        };
        let key = Memory {
            ptr: record.key.cast_mut().cast(),
            size: record.key_len as usize,
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
            (Type::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: opaque }),
            (
                Type::RD_KAFKA_VTYPE_TIMESTAMP,
                Value {
                    i64_: record.timestamp_ms,
                },
            ),
        ];
        // SAFETY: the in-flight table keeps the headers, where they are, until the record is reported.
        let headers = record.headers.map(|headers| unsafe { headers.as_ref() });
        let headers = headers.into_iter().flat_map(Headers::iter);
        let headers = headers.map(|(name, value)| {
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
