//! Stored weights, handed to the layers that ask for them, with a list of all that do not fit.
//!
//! Nothing is drawn or copied to find out what is expected, so that a file that promises sizes
//! beyond all memory costs none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::error::{Error, Result};

/// Tensors by name, and what was found out about them by layers asking.
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
    /// Weights to be handed out as they are.
    pub fn new(tensors: BTreeMap<String, Tensor>) -> Self {
        Self(Arc::new(Inner { tensors, asked: Mutex::default() }))
    }

    /// A builder whose layers get these weights, and zeros where they do not fit: ask
    /// [`check`](Self::check) before using what was built.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// Fails unless every weight was asked for, and had the shape and the type that was expected.
    ///
    /// # Errors
    /// The message lists everything that is missing, left over or different.
    pub fn check(&self) -> Result<()> {
        let mut asked = self.asked();
        let mut wrong = std::mem::take(&mut asked.wrong);
        let left_over = self.0.tensors.keys().filter(|name| !asked.names.contains(*name));
        wrong.extend(left_over.map(|name| format!("unexpected {name}")));
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Error::State(format!("the stored parameters do not fit: {}", wrong.join("; "))))
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
