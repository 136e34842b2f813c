/// Opening a store and what it answers; loading, importing and removing have files of their own.
#include "storage/image_store.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sys/xattr.h>
#include <unistd.h>
#include <unordered_set>

#include "io/base/assert.hpp"
#include "io/base/ids.hpp"
#include "io/base/log.hpp"
#include "storage/image_state.hpp"
#include "storage/init_layer.hpp"
#include "storage/trash.hpp"
#include "storage/tree.hpp"

namespace gantry::storage {

namespace fs = std::filesystem;

namespace {

constexpr const char* boot_id_file = "/proc/sys/kernel/random/boot_id";
constexpr const char* boot_record = "storage.boot_id";
constexpr mode_t private_mode = 0700;

std::string this_boot() {
  std::ifstream in(boot_id_file);
  std::string id;
  std::getline(in, id);
  return id;
}

result<> make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), private_mode) == 0 || errno == EEXIST) return {};
  return sys_error("make `" + path.string() + "`", errno);
}

result<> make_directories(const data_layout& layout) {
  for (const auto& path : {layout.layers(), layout.init(), layout.ingest(), layout.trash()}) {
    GANTRY_TRYV(make_directory(path));
  }
  return {};
}

result<std::unordered_set<std::string>> names_in(const fs::path& path) {
  GANTRY_TRY(dir, open_directory(path));
  GANTRY_TRY(names, list_directory(dir.get()));
  return std::unordered_set<std::string>(names.begin(), names.end());
}

/// True when this is the boot in which the data was last used: then the page cache holds what no sync has written yet.
result<bool> is_same_boot(record_store& records) {
  GANTRY_TRY(rows, records.load(record_kind::engine));
  const auto boot = this_boot();
  return std::any_of(rows.begin(), rows.end(),
                     [&](const auto& r) { return r.id == boot_record && r.value == boot && !boot.empty(); });
}

result<> sweep(const data_layout& layout, const fs::path& folder, const std::unordered_set<std::string>& named,
               const std::unordered_set<std::string>& present) {
  for (const auto& name : present) {
    if (named.contains(name)) continue;
    log::info("dropped what no record names", {{"path", (folder / name).string()}});
    GANTRY_TRYV(move_to_trash(layout.root, folder / name));
  }
  return {};
}

} // namespace

// --- ingest directories

result<ingest_dir> ingest_dir::make(const data_layout& layout) {
  ingest_dir self;
  self.path_ = layout.ingest() / random_id();
  GANTRY_TRYV(make_directory(self.path_));
  self.layout_ = &layout;
  GANTRY_TRY(fd, open_directory(self.path_));
  self.fd_ = std::move(fd);
  return self;
}

ingest_dir::ingest_dir(ingest_dir&& other) noexcept
    : layout_(std::exchange(other.layout_, nullptr)), path_(std::move(other.path_)), fd_(std::move(other.fd_)) {}

ingest_dir::~ingest_dir() {
  if (!layout_) return;
  if (auto moved = move_to_trash(layout_->root, path_); moved.has_error()) {
    log::warn("clean up ingest", {{"error", moved.error().message}});
  }
}

// --- state

result<> image_store_state::commit(std::vector<change> changes, catalog next) {
  GANTRY_TRYV(records.commit(std::move(changes)));
  known = std::move(next);
  publish();
  return {};
}

void image_store_state::publish() {
  std::vector<std::shared_ptr<const image_info>> all;
  all.reserve(known.images.size());
  for (const auto& [id, image] : known.images) all.push_back(image.info);
  auto fresh = std::make_shared<const image_index>(std::move(all));
  std::lock_guard lock(index_mutex);
  index = std::move(fresh);
}

result<> image_store_state::sync_layers() {
  std::vector<std::string> unsynced;
  {
    std::lock_guard lock(mutex);
    for (const auto& [chain, layer] : known.layers) {
      if (!layer.durable) unsynced.push_back(chain);
    }
  }
  if (unsynced.empty()) return {};
  GANTRY_TRY(root, open_directory(layout.root));
  if (::syncfs(root.get()) != 0) return sys_error("sync `" + layout.root.string() + "`", errno);
  GANTRY_TRYV(options.step("mark durable"));
  std::lock_guard lock(mutex);
  std::vector<change> changes;
  auto next = known;
  for (const auto& chain : unsynced) {
    const auto layer = next.layers.find(chain);
    if (layer == next.layers.end()) continue; // removed meanwhile
    layer->second.durable = true;
    changes.push_back(put_layer(layer->second));
  }
  GANTRY_TRYV(records.commit(std::move(changes)));
  known = std::move(next); // nothing that an index shows has changed
  return {};
}

void image_store_state::discard(const std::vector<std::string>& chain_ids, const std::vector<std::string>& image_ids) {
  const auto drop = [&](const fs::path& path) {
    // A failure leaves what the next open() drops.
    if (auto moved = move_to_trash(layout.root, path); moved.has_error()) {
      log::warn("remove image", {{"error", moved.error().message}});
    }
  };
  for (const auto& id : image_ids) {
    {
      std::lock_guard lock(lower_mutex);
      lower_dirs.erase(id);
    }
    drop(layout.init_layer(id));
  }
  for (const auto& chain : chain_ids) drop(layout.layer(chain));
  behind->empty_trash_soon();
}

// --- image_store

image_store::image_store(std::unique_ptr<state> s) : state_(std::move(s)) {}
image_store::~image_store() = default;

result<std::unique_ptr<image_store>> image_store::open(const fs::path& data_root, record_store& records,
                                                       store_options options) {
  auto s = std::make_unique<state>(data_layout{fs::absolute(data_root)}, records, std::move(options));
  const auto& layout = s->layout;
  GANTRY_TRYV(make_directories(layout));
  GANTRY_TRY(same_boot, is_same_boot(records));
  GANTRY_TRY(layers_present, names_in(layout.layers()));
  GANTRY_TRY(init_present, names_in(layout.init()));
  GANTRY_TRY(ingest_present, names_in(layout.ingest()));

  std::vector<change> changes;
  const auto usable = [&](const stored_layer& layer) {
    return (same_boot || layer.durable) && layers_present.contains(std::string(hex_of(layer.info.chain_id)));
  };
  GANTRY_TRY(known, read_catalog(records, usable, changes));
  for (const auto& chain : known.unneeded_layers()) {
    known.layers.erase(chain);
    changes.push_back(erase_layer(chain));
  }
  if (!same_boot) changes.push_back({record_kind::engine, boot_record, false, this_boot()});
  // Records first: what they no longer name may then go.
  if (!changes.empty()) GANTRY_TRYV(records.commit(std::move(changes)));

  std::unordered_set<std::string> named_layers, named_init;
  bool unsynced = false;
  for (const auto& [chain, layer] : known.layers) {
    named_layers.emplace(hex_of(chain));
    unsynced = unsynced || !layer.durable;
  }
  // An init layer is cheap to make and its files carry no mark of being synced: after another boot all are made anew.
  for (const auto& [id, image] : known.images) {
    if (same_boot) named_init.emplace(hex_of(id));
  }
  GANTRY_TRYV(sweep(layout, layout.layers(), named_layers, layers_present));
  GANTRY_TRYV(sweep(layout, layout.init(), named_init, init_present));
  GANTRY_TRYV(sweep(layout, layout.ingest(), {}, ingest_present));

  s->known = std::move(known);
  s->publish();
  s->behind = std::make_unique<janitor>(layout.root, [raw = s.get()] { return raw->sync_layers(); });
  s->behind->empty_trash_soon();
  if (unsynced) s->behind->sync_soon();
  return std::unique_ptr<image_store>(new image_store(std::move(s)));
}

std::shared_ptr<const image_index> image_store::images() const {
  std::lock_guard lock(state_->index_mutex);
  return state_->index;
}

result<> image_store::flush() { return state_->behind->wait(); }

namespace {

result<> make_init_directory(image_store_state& s, const std::vector<fs::path>& layers, const std::string& image_id) {
  GANTRY_TRY(ingest, ingest_dir::make(s.layout));
  const auto made = ingest.path() / "init";
  GANTRY_TRYV(make_directory(made));
  GANTRY_TRY(dir, open_directory(made));
  GANTRY_TRY(view, merged_view::open(layers));
  GANTRY_TRYV(make_init_layer(view, dir.get()));
  const auto final_path = s.layout.init_layer(image_id);
  if (::rename(made.c_str(), final_path.c_str()) == 0) return {};
  return sys_error("make `" + final_path.string() + "`", errno);
}

bool is_root_opaque(const fs::path& layer) {
  char value = 0;
  return ::lgetxattr(layer.c_str(), "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

} // namespace

result<std::vector<std::string>> image_store::lower_dirs(const image_info& image) {
  auto& s = *state_;
  {
    std::lock_guard lock(s.lower_mutex);
    if (const auto ready = s.lower_dirs.find(image.id); ready != s.lower_dirs.end()) return ready->second;
  }
  std::lock_guard changing(s.mutex);
  if (!s.known.images.contains(image.id)) return error{errc::not_found, 0, "No such image: " + image.id};
  std::vector<fs::path> layers;
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
    layers.push_back(s.layout.layer_fs(layer->chain_id));
    // overlayfs merges the roots of all layers whatever they say, so a root that hides the lower ones ends the list.
    if (is_root_opaque(layers.back())) break;
  }
  const auto init = s.layout.init_layer(image.id);
  if (!fs::exists(init)) {
    auto made = make_init_directory(s, layers, image.id);
    if (made.has_error()) return with_context(made.error(), "init layer of `" + image.id + "`: ");
    s.behind->empty_trash_soon();
  }
  std::vector<std::string> dirs{init.string()};
  for (const auto& layer : layers) dirs.push_back(layer.string());
  std::lock_guard lock(s.lower_mutex);
  return s.lower_dirs.insert_or_assign(image.id, std::move(dirs)).first->second;
}

} // namespace gantry::storage
