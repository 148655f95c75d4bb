//! Answers that a service gives when it does not do what it is asked, as S3 and Azure write
//! them.

/// An answer that the proxy makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Made {
    /// With both services' ways to say why: `<Error><Code>` and `x-ms-error-code`.
    #[must_use]
    pub fn of(status: u16, code: &'static str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Error><Code>{code}</Code><Message>A fault on order.</Message></Error>"
        );
        Self {
            status,
            headers: vec![
                ("content-type", "application/xml".to_owned()),
                ("x-ms-error-code", code.to_owned()),
            ],
            body,
        }
    }

    /// It asks to be left alone for so long.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push(("retry-after", seconds.to_string()));
        self
    }
}
