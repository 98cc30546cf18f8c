//! Pooled, refcounted read buffers.
