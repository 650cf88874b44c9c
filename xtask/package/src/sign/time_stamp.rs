//! Time stamps by a server, RFC 3161: a signature that carries one is valid after its
//! certificate has expired.

use std::time::Duration;

use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::{Any, Int, Null, OctetString};
use der::{Decode, Encode};
use rsa::rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};
use thiserror::Error;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion, TstInfo};

use super::oid;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any answer has.
const LONGEST: u64 = 1 << 20;

/// A time stamp that was not had.
#[derive(Debug, Error)]
pub enum TimeStampError {
    /// The address is not one that this can ask.
    #[error("{0}: a time-stamp server is asked by http:// (its answers are signed themselves)")]
    Address(String),
    /// The server was not reached, or refused.
    #[error("{url}: {error}")]
    Server {
        /// The server.
        url: String,
        /// Why.
        error: String,
    },
    /// The server answered, but gave no stamp.
    #[error("{url}: the server gave no time stamp: {reason}")]
    Refused {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
    /// The answer is about something else.
    #[error("{url}: the answer is to another question: {what} differs")]
    Other {
        /// The server.
        url: String,
        /// What.
        what: &'static str,
    },
    /// DER that cannot be read or written.
    #[error("DER: {0}")]
    Der(#[from] der::Error),
}

/// A time-stamp server.
#[derive(Clone, Debug)]
pub struct TimeStamper {
    url: String,
}

impl TimeStamper {
    /// The server at this address.
    ///
    /// # Errors
    /// Where the address does not begin with `http://`.
    pub fn new(url: &str) -> Result<Self, TimeStampError> {
        if !url.starts_with("http://") {
            return Err(TimeStampError::Address(url.to_owned()));
        }
        Ok(Self {
            url: url.to_owned(),
        })
    }

    /// Has a signature stamped; the outcome is the token.
    ///
    /// # Errors
    /// Where the server cannot be reached, or does not answer as it should.
    pub fn stamp(&self, signature: &[u8]) -> Result<Any, TimeStampError> {
        let mut nonce = [0; 8];
        OsRng.fill_bytes(&mut nonce);
        // Positive, and as short as DER wants it.
        nonce[0] = nonce[0] & 0x7f | 0x40;
        let request = TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifierOwned {
                    oid: oid::SHA256,
                    parameters: Some(Any::encode_from(&Null)?),
                },
                hashed_message: OctetString::new(Sha256::digest(signature).as_slice())?,
            },
            req_policy: None,
            nonce: Some(Int::new(&nonce)?),
            cert_req: true,
            extensions: None,
        };
        let answer = self.ask(&request.to_der()?)?;
        self.check(&request, &answer)
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, TimeStampError> {
        let failed = |error: ureq::Error| TimeStampError::Server {
            url: self.url.clone(),
            error: error.to_string(),
        };
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut response = agent
            .post(&self.url)
            .header("Content-Type", "application/timestamp-query")
            .send(request)
            .map_err(failed)?;
        response
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_vec()
            .map_err(failed)
    }

    fn check(&self, request: &TimeStampReq, answer: &[u8]) -> Result<Any, TimeStampError> {
        let refused = |reason: String| TimeStampError::Refused {
            url: self.url.clone(),
            reason,
        };
        let other = |what| TimeStampError::Other {
            url: self.url.clone(),
            what,
        };
        let answer = Answer::from_der(answer)
            .map_err(|error| refused(format!("it is no time-stamp response: {error}")))?;
        // 0 granted, 1 granted with modifications.
        let token = match (answer.status.code, answer.token) {
            (0 | 1, Some(token)) => token,
            (status, _) => return Err(refused(format!("status {status}"))),
        };
        let whole: ContentInfo = token.decode_as()?;
        let data: SignedData = whole.content.decode_as()?;
        let content = data
            .encap_content_info
            .econtent
            .ok_or_else(|| refused("the token is empty".to_owned()))?;
        let info = TstInfo::from_der(content.decode_as::<OctetString>()?.as_bytes())?;
        if info.message_imprint.hashed_message != request.message_imprint.hashed_message {
            return Err(other("the digest"));
        }
        if info.nonce != request.nonce {
            return Err(other("the nonce"));
        }
        Ok(token)
    }
}

/// `TimeStampResp`, of which only this is looked at.
#[derive(der::Sequence)]
struct Answer {
    status: Status,
    #[asn1(optional = "true")]
    token: Option<Any>,
}

/// `PKIStatusInfo`
#[derive(der::Sequence)]
struct Status {
    code: u8,
    #[asn1(optional = "true")]
    text: Option<Vec<String>>,
    #[asn1(optional = "true")]
    failure: Option<der::asn1::BitString>,
}
