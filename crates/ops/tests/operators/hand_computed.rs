//! Values that were computed by hand.

use t2f_ops::{
    ConvOptions, DType, Device, Result, Tensor, avg_pool2, conv2d, fade, leaky_relu, lstm, minibatch_stddev,
    modulated_pixel_norm, pixel_norm, softplus, sum_of_squares, to_nchw, to_nhwc, upsample2,
    upsample2_smooth,
};

fn tensor(values: &[f32], shape: &[usize]) -> Result<Tensor> {
    Tensor::new(values, &Device::Cpu)?.reshape(shape)
}

fn values(t: &Tensor) -> Result<Vec<f32>> {
    t.flatten_all()?.to_vec1()
}

fn assert_values(t: &Tensor, want: &[f32]) -> Result<()> {
    let got = values(t)?;
    assert_eq!(got.len(), want.len());
    for (got_one, want_one) in got.iter().zip(want) {
        assert!((got_one - want_one).abs() < 1e-6, "{got:?}, expected {want:?}");
    }
    Ok(())
}

/// The image 1 2 / 3 4 under a 3x3 kernel of ones sums to 10 at every pixel. With scale 0.5, bias -6
/// and slope 0.2 the result is 0.2·(5 - 6).
#[test]
fn conv2d_sums_and_rectifies() -> Result<()> {
    let x = tensor(&[1., 2., 3., 4.], &[1, 2, 2, 1])?;
    let w = Tensor::ones((3, 3, 1, 1), DType::F32, &Device::Cpu)?;
    let bias = Tensor::new(&[-6f32], &Device::Cpu)?;
    let options = ConvOptions { padding: 1, scale: 0.5, upsample: false, slope: Some(0.2), dtype: None };
    let y = conv2d(&x, &w, Some(&bias), options)?;
    assert_eq!(y.dims(), [1, 2, 2, 1]);
    assert_values(&y, &[-0.2; 4])
}

/// A kernel with a single 1 shifts the image: at row 0, column 1, by one pixel down; and a kernel that
/// covers the unpadded image picks one pixel. A 1x1 kernel mixes channels.
#[test]
fn conv2d_is_cross_correlation() -> Result<()> {
    let x = tensor(&[1., 2., 3., 4.], &[1, 2, 2, 1])?;
    let one_at = |at: usize, side: usize| -> Result<Tensor> {
        let mut w = vec![0f32; side * side];
        w[at] = 1.0;
        tensor(&w, &[side, side, 1, 1])
    };
    let padded = ConvOptions { padding: 1, ..ConvOptions::default() };
    assert_values(&conv2d(&x, &one_at(1, 3)?, None, padded)?, &[0., 0., 1., 2.])?;
    assert_values(&conv2d(&x, &one_at(1, 2)?, None, ConvOptions::default())?, &[2.])?;
    let upsampled = ConvOptions { upsample: true, ..padded };
    let want = [0., 0., 0., 0., 1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4.];
    assert_values(&conv2d(&x, &one_at(1, 3)?, None, upsampled)?, &want)?;
    let pixel = tensor(&[1., 2.], &[1, 1, 1, 2])?;
    let w = tensor(&[1., 10., 100., 1000.], &[1, 1, 2, 2])?;
    assert_values(&conv2d(&pixel, &w, None, ConvOptions::default())?, &[201., 2010.])
}

/// `mean(9, 16) = 12.5`.
#[test]
fn pixel_norm_divides_by_the_root_mean_square() -> Result<()> {
    let x = tensor(&[3., 4., -6., 8.], &[1, 1, 2, 2])?;
    let (three, four) = (3.0 / 12.5f32.sqrt(), 4.0 / 12.5f32.sqrt());
    assert_values(&pixel_norm(&x)?, &[three, four, -three, four])
}

/// `(1 + gamma)` is 2 and 0.5, beta 0.1 and 0.2.
#[test]
fn modulated_pixel_norm_scales_and_shifts() -> Result<()> {
    let x = tensor(&[3., 4.], &[1, 1, 1, 2])?;
    let affine = tensor(&[1., -0.5, 0.1, 0.2], &[1, 4])?;
    let want = [2.0 * 3.0 / 12.5f32.sqrt() + 0.1, 0.5 * 4.0 / 12.5f32.sqrt() + 0.2];
    assert_values(&modulated_pixel_norm(&x, &affine)?, &want)
}

/// Two images of one pixel with two channels: their elements differ by 2 and by 4, so the deviations
/// are 1 and 2, and their mean is 1.5. Equal images have `sqrt(1e-8)`.
#[test]
fn minibatch_stddev_appends_the_mean_deviation_of_each_group() -> Result<()> {
    let x = tensor(&[0., 0., 2., 4., 7., 7., 7., 7.], &[4, 1, 1, 2])?;
    let y = minibatch_stddev(&x, 2)?;
    assert_eq!(y.dims(), [4, 1, 1, 3]);
    assert_values(&y, &[0., 0., 1.5, 2., 4., 1.5, 7., 7., 1e-4, 7., 7., 1e-4])?;
    assert!(minibatch_stddev(&x, 3).is_err() && minibatch_stddev(&x, 0).is_err());
    Ok(())
}

#[test]
fn upsampling_repeats_pixels_and_pooling_averages_them() -> Result<()> {
    let x = tensor(&[1., 2., 3., 4.], &[1, 2, 2, 1])?;
    let up = upsample2(&x)?;
    assert_values(&up, &[1., 1., 2., 2., 1., 1., 2., 2., 3., 3., 4., 4., 3., 3., 4., 4.])?;
    assert_values(&avg_pool2(&x)?, &[2.5])?;
    assert_values(&avg_pool2(&up)?, &[1., 2., 3., 4.])?;
    assert!(avg_pool2(&Tensor::zeros((1, 3, 2, 1), DType::F32, &Device::Cpu)?).is_err());
    Ok(())
}

/// `0.25·4 + 0.75·8`.
#[test]
fn fade_is_a_weighted_mean() -> Result<()> {
    assert_values(&fade(&tensor(&[4., 0.], &[2])?, &tensor(&[8., 4.], &[2])?, 0.25)?, &[7., 3.])?;
    assert!(fade(&tensor(&[1.], &[1])?, &tensor(&[1., 2.], &[2])?, 0.5).is_err());
    Ok(())
}

#[test]
fn layouts_are_permutations() -> Result<()> {
    let x = tensor(&[1., 2., 3., 4.], &[1, 2, 1, 2])?; // two channels, one row
    let y = to_nhwc(&x)?;
    assert_eq!(y.dims(), [1, 1, 2, 2]);
    assert_values(&y, &[1., 3., 2., 4.])?;
    assert_values(&to_nchw(&y)?, &[1., 2., 3., 4.])
}

/// One hidden unit. All gates but the candidate are `σ(0) = 0.5`, and the candidate is
/// `tanh(ln 2) = 0.6`: `c = 0.3`, `h = 0.5·tanh(0.3)`. In the second step the weight of the candidate
/// adds the first state, which the input subtracts: `c = 0.45`. The third step is padding.
#[test]
fn lstm_follows_the_gates() -> Result<()> {
    let candidate = std::f32::consts::LN_2;
    let first = 0.5 * 0.3f32.tanh();
    let second = 0.5 * 0.45f32.tanh();
    let w = tensor(&[0., 0., 1., 0.], &[4, 1])?;
    let x = [[0., 0., candidate, 0.], [0., 0., candidate - first, 0.], [9., 9., 9., 9.]].concat();
    let states = lstm(&tensor(&x, &[1, 3, 4])?, &w, &[2], false)?;
    assert_values(&states, &[first, second, second])?;
    let x = [[0., 0., candidate - first, 0.], [0., 0., candidate, 0.], [9., 9., 9., 9.]].concat();
    let states = lstm(&tensor(&x, &[1, 3, 4])?, &w, &[2], true)?;
    assert_values(&states, &[second, first, 0.])
}

#[test]
fn leaky_relu_keeps_positive_numbers_and_scales_others() -> Result<()> {
    assert_values(&leaky_relu(&tensor(&[-2., 0., 3.], &[3])?, 0.2)?, &[-0.4, 0., 3.])
}

#[test]
fn softplus_is_finite_at_large_logits() -> Result<()> {
    let y = values(&softplus(&tensor(&[-200., -20., 0., 20., 200.], &[5])?)?)?;
    assert_eq!((y[0], y[3], y[4]), (0.0, 20.0, 200.0));
    assert!((0.0..1e-8).contains(&y[1]), "{}", y[1]);
    assert!((y[2] - std::f32::consts::LN_2).abs() < 1e-7);
    Ok(())
}

#[test]
fn sum_of_squares_includes_every_element_and_shows_those_that_are_not_finite() -> Result<()> {
    for dtype in [DType::F32, DType::F64] {
        let x = Tensor::arange(0f32, 100_000., &Device::Cpu)?.affine(1e-3, 0.0)?.to_dtype(dtype)?;
        let want = (0..100_000).map(|i| (f64::from(i) * 1e-3).powi(2)).sum::<f64>();
        let got = f64::from(sum_of_squares(&x.reshape((1000, 100))?.t()?)?.to_scalar::<f32>()?);
        assert!((got / want - 1.0).abs() < 1e-4, "{got}, expected {want}");
        for bad in [f64::NAN, f64::INFINITY] {
            let hole = Tensor::new(&[bad], &Device::Cpu)?.to_dtype(dtype)?;
            assert!(!sum_of_squares(&Tensor::cat(&[&x, &hole, &x], 0)?)?.to_scalar::<f32>()?.is_finite());
        }
    }
    Ok(())
}

/// The columns of 0 4 / 8 12 become 0 1 3 4 and 8 9 11 12, and the rows likewise.
#[test]
fn bilinear_upsampling_weighs_pixels_by_three_and_one() -> Result<()> {
    let y = upsample2_smooth(&tensor(&[0., 4., 8., 12.], &[1, 2, 2, 1])?)?;
    assert_eq!(y.dims(), [1, 4, 4, 1]);
    assert_values(&y, &[0., 1., 3., 4., 2., 3., 5., 6., 6., 7., 9., 10., 8., 9., 11., 12.])?;
    let error = upsample2_smooth(&tensor(&[1., 2.], &[1, 1, 2, 1])?).unwrap_err().to_string();
    assert!(error.contains("1x2"), "{error}");
    Ok(())
}
