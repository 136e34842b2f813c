/// The init layer: the topmost read-only layer of every container, holding the mount targets that each root filesystem
/// must have. Because they stand below the container's own layer, `docker diff` does not show them (behaviours 124).
#pragma once

#include "io/base/result.hpp"
#include "storage/merged_view.hpp"

namespace gantry::storage {

/// Fills the empty directory `root_fd` with what `image` lacks. Directories that the image has too are given the same
/// owner, mode, times and attributes, because the topmost layer's show.
result<> make_init_layer(const merged_view& image, int root_fd);

} // namespace gantry::storage
