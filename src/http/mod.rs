//! HTTP/1.1 framing (RFC 9112) over byte slices; no I/O.
