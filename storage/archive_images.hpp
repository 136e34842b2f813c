/// Which images an archive holds: Docker's manifest.json, or an OCI layout's index.json. The layers' files are named
/// here and read by whoever unpacks them.
#pragma once

#include <string>
#include <vector>

#include "io/base/result.hpp"
#include "storage/archive_spool.hpp"
#include "storage/image_config.hpp"
#include "storage/reference.hpp"

namespace gantry::storage {

struct archive_image {
  std::string id; ///< "sha256:" of the config
  std::string config;
  image_config parsed;
  std::vector<const spooled_file*> layers; ///< lowest first, one for each diff id
  std::vector<reference> tags;             ///< each with a tag
  std::string parent;                      ///< image id or empty
};

/// Errors: invalid_parameter (what of the archive is wrong).
result<std::vector<archive_image>> read_archive_images(const archive_spool& spool);

/// The two forms, for read_archive_images.
result<std::vector<archive_image>> read_docker_archive(const archive_spool& spool, const spooled_file& manifest);
result<std::vector<archive_image>> read_oci_layout(const archive_spool& spool, const spooled_file& index);
/// Fills id, config and parsed, and checks that layers and diff ids are as many.
result<> set_config(archive_image& image, const archive_spool& spool, const spooled_file& config);

} // namespace gantry::storage
