"""The ATen operations that a candidate's graph may consist of: pure functions of their arguments, and their in-place forms.

Left out are those that read memory which nobody wrote (``empty``), or beyond a tensor's own (``as_strided``, and
``native_batch_norm``, which trusts sizes), whose results can be of any size whatever their arguments' shapes are
(``repeat_interleave`` by a tensor), whose products cannot be counted (``cdist``, ``bilinear``, ``addbmm``), and all that
touches files, devices or the process.
"""

from __future__ import annotations

POINTWISE = """
abs acos acosh add addcdiv addcmul angle asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor ceil celu
clamp clamp_max clamp_min clip copysign cos cosh deg2rad div divide elu eq erf erfc erfinv exp exp2 expm1 fill floor
floor_divide fmax fmin fmod frac ge gelu glu greater greater_equal gt hardshrink hardsigmoid hardswish hardtanh heaviside hypot
isfinite isinf isnan le leaky_relu lerp less less_equal lgamma digamma log log10 log1p log2 log_sigmoid logaddexp logaddexp2
logical_and logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg
negative not_equal polygamma pow positive prelu rad2deg reciprocal relu relu6 remainder round rrelu rsqrt rsub selu sgn sigmoid
sign signbit silu sin sinc sinh softplus softshrink special_expit special_log1p special_xlog1py special_xlogy sqrt square sub
subtract tan tanh threshold true_divide trunc where xlogy zero
__and__ __iand__ __ilshift__ __ior__ __irshift__ __ixor__ __lshift__ __or__ __rshift__ __xor__
"""

REDUCTIONS = """
all amax amin aminmax any argmax argmin argsort count_nonzero cummax cummin cumprod cumsum diff kthvalue linalg_norm
linalg_vector_norm log_softmax _log_softmax logcumsumexp logsumexp max mean median min mode nanmean nanmedian nansum norm prod
quantile nanquantile softmax _softmax sort std std_mean sum topk trapezoid var var_mean
"""

SHAPES = """
adjoint alias atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to cat chunk clone column_stack concat concatenate
constant_pad_nd contiguous detach diag diag_embed diagonal dstack expand expand_as flatten flip fliplr flipud gather hstack im2col
index index_add index_copy index_fill index_put index_select lift_fresh lift_fresh_copy masked_scatter masked_select meshgrid
moveaxis movedim mH mT narrow nonzero numpy_T one_hot pad permute pixel_shuffle pixel_unshuffle put ravel repeat reshape
reshape_as roll rot90 scatter scatter_add scatter_reduce select select_scatter slice slice_scatter split split_with_sizes squeeze
stack swapaxes swapdims t take take_along_dim tensor_split tile to _to_copy transpose tril triu type_as unbind unflatten unfold
unsafe_chunk unsafe_split unsqueeze view view_as vstack numpy_split hsplit vsplit bucketize searchsorted copy
"""

FACTORIES = """
arange eye full full_like linspace logspace new_full new_ones new_zeros ones ones_like rand rand_like randint randint_like randn
randn_like randperm scalar_tensor tril_indices triu_indices zeros zeros_like bernoulli normal uniform exponential
hann_window hamming_window
"""

CONTRACTIONS = """
addmm addmv addr baddbmm bmm chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d convolution dot einsum
inner kron linear matmul mm mv outer tensordot vdot linalg_matmul linalg_multi_dot
"""

LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool1d adaptive_max_pool2d avg_pool1d avg_pool2d batch_norm
binary_cross_entropy binary_cross_entropy_with_logits channel_shuffle cosine_embedding_loss cosine_similarity cross_entropy_loss
dropout alpha_dropout feature_dropout native_dropout embedding fold group_norm gru gru_cell gumbel_softmax
hinge_embedding_loss huber_loss instance_norm kl_div l1_loss layer_norm native_layer_norm local_response_norm lstm lstm_cell
margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices mse_loss multi_margin_loss nll_loss
nll_loss_nd nll_loss_forward normalize pairwise_distance poisson_nll_loss renorm rms_norm rnn_relu rnn_relu_cell rnn_tanh
rnn_tanh_cell scaled_dot_product_attention smooth_l1_loss soft_margin_loss triplet_margin_loss unfold upsample_linear1d
upsample_nearest1d upsample_nearest2d upsample_bilinear2d
"""

OPERATIONS = frozenset(" ".join((POINTWISE, REDUCTIONS, SHAPES, FACTORIES, CONTRACTIONS, LAYERS)).split())
"""Their names; ``x_`` is allowed where ``x`` is."""

VALUED = frozenset(POINTWISE.split()) | {
    "full",
    "full_like",
    "new_full",
    "scalar_tensor",
    "constant_pad_nd",
    "index_fill",
    "linspace",
    "logspace",
    "arange",
}
"""Those whose arguments that are numbers are values, not sizes, axes or settings of a layer."""
