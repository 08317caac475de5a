//! Requests and answers as they travel, without the socket.

/// One HTTP request. Header names may be in any case; `path` may carry a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireRequest {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl WireRequest {
    /// The value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// One HTTP answer. `content-length` and `connection` are the transport's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The transport must cut the connection instead of sending this answer: it was lost on the way, or the request
    /// never arrived. Nobody on the client's side can tell which.
    pub dropped: bool,
    /// The caller is to be regarded as dead since this request ([`Fault::Halt`](super::Fault::Halt)): no answer will
    /// come, to this call or a later one, until [`World::revive`](super::World::revive).
    pub halted: bool,
}
