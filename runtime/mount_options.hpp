/// Mount options as fstab and runtime-spec write them, sorted into what the kernel's calls take.
/// Source: runtime-spec config.md "Linux mount options"; mount_setattr(2); fsconfig(2).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <google/protobuf/repeated_field.h>

namespace gantry::runtime {

struct mount_options {
  std::uint64_t set = 0, clear = 0;                     ///< MOUNT_ATTR_*, for the mount itself
  std::uint64_t set_recursive = 0, clear_recursive = 0; ///< for the mounts below it too ("rro")
  unsigned long propagation = 0;                        ///< MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0: not said
  bool propagation_recursive = false;
  bool recursive_bind = false;                           ///< "rbind"
  std::vector<std::pair<std::string, std::string>> data; ///< of the filesystem; value empty for a flag
};

mount_options parse_mount_options(const google::protobuf::RepeatedPtrField<std::string>& options);

/// "rslave" and the like to MS_* with `recursive`; 0 when the word is none.
unsigned long parse_propagation(const std::string& word, bool& recursive);

} // namespace gantry::runtime
