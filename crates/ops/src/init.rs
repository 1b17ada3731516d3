//! Named parameters with seeded initialization: the backend of every `VarBuilder` of this project.
//!
//! candle's `VarMap` keeps its variables in a `HashMap` and draws them from a generator that cannot
//! be seeded. [`Parameters`] keeps them **in name order** and draws each from a key and its name.
//! The first value of a parameter thus depends neither on the order of construction nor on other
//! parameters.
//!
//! ```
//! use t2f_ops::init::Parameters;
//! use t2f_ops::rng::Key;
//! use t2f_ops::{DType, Device};
//!
//! let parameters = Parameters::drawn(Key::new(0));
//! let vb = parameters.builder(DType::F32, &Device::Cpu);
//! let layer = candle_nn::linear(8, 4, vb.pp("layer"))?;
//! let names: Vec<_> = parameters.vars().into_iter().map(|(name, _)| name).collect();
//! assert_eq!(names, ["layer.bias", "layer.weight"]);
//! # Ok::<(), t2f_ops::Error>(())
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var, bail};
use candle_nn::VarBuilder;
use candle_nn::init::{Init, NormalOrUniform};
use candle_nn::var_builder::SimpleBackend;

use crate::rng::{self, Key};

/// A set of trainable tensors in name order. Clones share the tensors.
#[derive(Clone, Debug)]
pub struct Parameters {
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
    /// The key of new parameters; without one, a new name is an error.
    key: Option<Key>,
}

impl Parameters {
    /// An empty set. A parameter is drawn from `key` and its name when a layer first requests it.
    pub fn drawn(key: Key) -> Self {
        Self { vars: Arc::default(), key: Some(key) }
    }

    /// A set of the given tensors. The request of another name is an error.
    ///
    /// # Errors
    /// If a tensor cannot be made a variable.
    pub fn of(tensors: BTreeMap<String, Tensor>) -> Result<Self> {
        let vars = tensors.iter().map(|(name, tensor)| Ok((name.clone(), Var::from_tensor(tensor)?)));
        Ok(Self { vars: Arc::new(Mutex::new(vars.collect::<Result<_>>()?)), key: None })
    }

    /// A builder whose layers register their parameters in this set, as trainable variables.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Registering(self.clone())), dtype, device.clone())
    }

    /// A builder that returns the parameters of this set as constants. They share memory with the
    /// variables, so they change when a variable is set; they get no gradient.
    pub fn frozen_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(Frozen(self.clone())), dtype, device.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.vars.lock().expect("no panic happens while the parameter map is held")
    }

    /// The variables and their names, in name order.
    pub fn vars(&self) -> Vec<(String, Var)> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// The values and their names, in name order. The tensors share memory with the variables.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether the set has no parameters.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The number of scalars in all tensors.
    pub fn count(&self) -> usize {
        self.lock().values().map(|var| var.elem_count()).sum()
    }

    /// Overwrites every parameter with the tensor of its name.
    ///
    /// # Errors
    /// If a name is missing or unexpected, or a shape or type differs. The message lists every
    /// difference, and no parameter is changed.
    pub fn set(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let vars = self.lock();
        let mut wrong = Vec::new();
        for (name, var) in vars.iter() {
            match tensors.get(name) {
                None => wrong.push(format!("missing {name} {:?}", var.dims())),
                Some(t) if t.dims() != var.dims() || t.dtype() != var.dtype() => wrong.push(format!(
                    "{name} is {:?} {:?}, expected {:?} {:?}",
                    t.dims(),
                    t.dtype(),
                    var.dims(),
                    var.dtype()
                )),
                Some(_) => {}
            }
        }
        wrong.extend(
            tensors.keys().filter(|name| !vars.contains_key(*name)).map(|name| format!("unexpected {name}")),
        );
        if !wrong.is_empty() {
            bail!("the stored parameters do not fit: {}", wrong.join("; "));
        }
        for (name, var) in vars.iter() {
            var.set(&tensors[name].to_device(var.device())?)?;
        }
        Ok(())
    }
}

/// The backend of [`Parameters::builder`].
struct Registering(Parameters);

impl SimpleBackend for Registering {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut vars = self.0.lock();
        if let Some(var) = vars.get(name) {
            return checked(var.as_tensor().clone(), &shape, name);
        }
        let key = self.0.key.ok_or_else(|| missing(name))?;
        let var = Var::from_tensor(&draw(key.child(name), init, &shape, dtype, device)?)?;
        vars.insert(name.to_owned(), var.clone());
        Ok(var.as_tensor().clone())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        self.0.lock().get(name).map(|var| var.as_tensor().clone()).ok_or_else(|| missing(name))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.lock().contains_key(name)
    }
}

/// The backend of [`Parameters::frozen_builder`].
struct Frozen(Parameters);

impl SimpleBackend for Frozen {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        checked(self.get_unchecked(name, dtype, device)?, &shape, name)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        self.0.lock().get(name).map(|var| var.as_detached_tensor()).ok_or_else(|| missing(name))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.lock().contains_key(name)
    }
}

fn missing(name: &str) -> Error {
    Error::CannotFindTensor { path: name.to_owned() }.bt()
}

fn checked(tensor: Tensor, shape: &Shape, name: &str) -> Result<Tensor> {
    if tensor.shape() != shape {
        bail!("parameter {name} is {:?}, expected {:?}", tensor.dims(), shape.dims());
    }
    Ok(tensor)
}

/// A tensor of candle's initialization `init`.
fn draw(key: Key, init: Init, shape: &Shape, dtype: DType, device: &Device) -> Result<Tensor> {
    let normal = |mean: f64, stdev: f64| rng::normal(key, shape.clone(), dtype, device)?.affine(stdev, mean);
    let uniform = |lo: f64, up: f64| rng::uniform(key, shape.clone(), dtype, device)?.affine(up - lo, lo);
    match init {
        Init::Const(value) => Tensor::full(value as f32, shape.clone(), device)?.to_dtype(dtype),
        Init::Randn { mean, stdev } => normal(mean, stdev),
        Init::Uniform { lo, up } => uniform(lo, up),
        Init::Kaiming { dist, fan, non_linearity } => {
            let std = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normal(0.0, std),
                NormalOrUniform::Uniform => uniform(-std * 3f64.sqrt(), std * 3f64.sqrt()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_nn::Init;

    const NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().and_then(|t| t.to_vec1()).unwrap()
    }

    #[test]
    fn values_do_not_depend_on_the_order_of_construction() -> Result<()> {
        let (first, second) = (Parameters::drawn(Key::new(1)), Parameters::drawn(Key::new(1)));
        for (set, names) in [(&first, ["a", "b"]), (&second, ["b", "a"])] {
            let vb = set.builder(DType::F32, &Device::Cpu).pp("net");
            for name in names {
                vb.get_with_hints((2, 3), name, NORMAL)?;
            }
        }
        for ((name, a), (other, b)) in first.tensors().iter().zip(&second.tensors()) {
            assert_eq!((name, values(a)), (other, values(b)));
        }
        assert_ne!(values(&first.tensors()["net.a"]), values(&first.tensors()["net.b"]));
        assert_eq!(first.count(), 12);
        Ok(())
    }

    #[test]
    fn frozen_parameters_follow_the_variables_and_get_no_gradient() -> Result<()> {
        let set = Parameters::drawn(Key::new(1));
        set.builder(DType::F32, &Device::Cpu).get_with_hints(2, "w", NORMAL)?;
        let frozen = set.frozen_builder(DType::F32, &Device::Cpu).get(2, "w")?;
        assert!(!frozen.track_op());
        set.vars()[0].1.set(&Tensor::new(&[3f32, 4.], &Device::Cpu)?)?;
        assert_eq!(values(&frozen), [3., 4.]);
        Ok(())
    }

    #[test]
    fn set_lists_every_difference() -> Result<()> {
        let set = Parameters::drawn(Key::new(1));
        let vb = set.builder(DType::F32, &Device::Cpu);
        vb.get(2, "gone")?;
        vb.get(2, "bent")?;
        let zeros = |n: usize| Tensor::zeros(n, DType::F32, &Device::Cpu);
        let wrong = BTreeMap::from([("bent".to_owned(), zeros(3)?), ("extra".to_owned(), zeros(1)?)]);
        let message = set.set(&wrong).unwrap_err().to_string();
        for part in ["missing gone", "bent is [3]", "unexpected extra"] {
            assert!(message.contains(part), "{message}");
        }
        Ok(())
    }
}
