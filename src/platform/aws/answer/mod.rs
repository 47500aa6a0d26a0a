//! Long lists, read as they come in.
//!
//! EC2 tells some forty elements of an instance, 3 KB, and a drill reads ten; of a group's members it is the same. The SDK would hold the
//! whole answer and make a tree of all of it: most of what a drill of a thousand instances costs. So the SDK signs, sends and reads what
//! AWS has against it; the list itself is read here (`walk`), in the pieces that arrive, and the SDK is given an empty one.
//!
//! What is read of a list is a tree of names: `instances`, `groups`, `interfaces`. What is told with the same bytes as in the list before is not read at all: `known`.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextMut},
    error::BoxError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use self::walk::{Shape, Walk};

mod groups;
mod instances;
mod interfaces;
mod known;
mod walk;

pub(super) use groups::{Groups, Named};
pub(super) use instances::Instances;
pub(super) use interfaces::Interfaces;
pub(super) use known::{Kept, Known};

/// Takes the list from one call's answer: an interceptor of it.
#[derive(Debug, Clone)]
pub(super) struct Taken<S> {
    /// What every try begins with.
    nothing: S,
    told: Arc<Mutex<S>>,
}

impl<S: Shape> Taken<S> {
    /// Reads into this, which has nothing in it.
    pub(super) fn into(nothing: S) -> Self {
        Self { told: Arc::new(Mutex::new(nothing.clone())), nothing }
    }

    /// What the answer said.
    pub(super) fn told(self) -> S {
        std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), self.nothing)
    }
}

impl<S: Shape> Intercept for Taken<S> {
    fn name(&self) -> &'static str {
        "Taken"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response_mut();
        // An error is short, and the SDK's to read.
        if answer.status().is_success() {
            let mut list = answer.take_body();
            // It says how long the list is.
            answer.headers_mut().remove("content-length");
            let Self { nothing: mut told, told: place } = self.clone();
            *answer.body_mut() = SdkBody::from_body_1_x(StreamBody::new(stream::once(async move {
                let mut walk = Walk::default();
                // To the last byte: only then does the connection serve again.
                while let Some(frame) = list.frame().await {
                    if let Ok(piece) = frame?.into_data() {
                        walk.piece(&piece, &mut told)?;
                    }
                }
                walk.end()?;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = told;
                Ok::<_, BoxError>(Frame::data(Bytes::from_static(S::EMPTY)))
            })));
        }
        Ok(())
    }
}
