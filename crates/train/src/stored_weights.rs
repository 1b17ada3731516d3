//! Stored weights as a `VarBuilder` backend, with a list of all mismatches.
//!
//! No tensor of the expected sizes is allocated for the comparison, so a file with huge sizes in its
//! configuration does not exhaust the memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::error::{Error, Result};

/// Tensors by name, and the record of their requests.
#[derive(Clone, Debug)]
pub struct Weights(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tensors: BTreeMap<String, Tensor>,
    asked: Mutex<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    names: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Weights {
    /// Weights without changes.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(Arc::new(Inner { tensors, asked: Mutex::default() }))
    }

    /// A builder on these weights; a weight that does not match is zero. Call [`check`](Self::check) before
    /// using the networks.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// Checks that every weight was requested and had the expected shape and type.
    ///
    /// # Errors
    /// If a weight is missing, unexpected or different; the message lists all.
    pub fn check(&self) -> Result<()> {
        let mut asked = self.asked();
        let mut wrong = std::mem::take(&mut asked.wrong);
        let left_over = self.0.tensors.keys().filter(|name| !asked.names.contains(*name));
        wrong.extend(left_over.map(|name| format!("unexpected {name}")));
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::State(format!(
            "the stored parameters do not match the configuration: {}",
            wrong.join("; ")
        )))
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Weights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut asked = self.asked();
        asked.names.insert(name.to_owned());
        match self.0.tensors.get(name) {
            Some(tensor) if *tensor.shape() == shape && tensor.dtype() == dtype => {
                return tensor.to_device(device);
            }
            None => asked.wrong.push(format!("missing {name} {:?}", shape.dims())),
            Some(tensor) => asked.wrong.push(format!(
                "{name} is {:?} {:?}, expected {:?} {dtype:?}",
                tensor.dims(),
                tensor.dtype(),
                shape.dims()
            )),
        }
        Tensor::zeros((), dtype, device)?.broadcast_as(shape)
    }

    fn get_unchecked(&self, name: &str, _: DType, device: &Device) -> candle_core::Result<Tensor> {
        self.asked().names.insert(name.to_owned());
        let tensor = self.0.tensors.get(name);
        tensor
            .ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.to_owned() }.bt())?
            .to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.tensors.contains_key(name)
    }
}
