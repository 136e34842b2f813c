/// Which containers a list shows, and which a prune takes (behaviours 222, 223, 226, 279).
#include "api/container_json.hpp"
#include "api/exposed_ports.hpp"
#include "api/filters.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gantry::api {
namespace {

using view_list = std::vector<container_view_ptr>;

constexpr std::array<std::string_view, 7> statuses{"created",  "running", "paused", "restarting",
                                                   "removing", "exited",  "dead"};
constexpr std::array<std::string_view, 4> health_words{"none", "starting", "healthy", "unhealthy"};

error bad(std::string message) { return {errc::invalid_parameter, 0, std::move(message)}; }

bool is_one_of(const auto& word, const auto& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string_view without_slash(std::string_view name) {
  if (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

/// By full id, then name, then unique id prefix (behaviours 48).
result<container_view_ptr> find_container(const view_list& all, const std::string& wanted) {
  for (const auto& v : all)
    if (v->definition->id == wanted) return v;
  for (const auto& v : all)
    if (v->name == without_slash(wanted) && !v->name.empty()) return v;
  container_view_ptr found;
  for (const auto& v : all) {
    if (wanted.empty() || !v->definition->id.starts_with(wanted)) continue;
    if (found) return bad("multiple IDs found with provided prefix: " + wanted);
    found = v;
  }
  if (!found) return error{errc::not_found, 0, "No such container: " + wanted};
  return found;
}

/// One list's filters, checked and looked up before the first container is tested.
class list_filter {
public:
  static result<list_filter> make(const list_containers& asked, const view_list& all, const list_context& context);

  enum class verdict { include, exclude, stop };
  verdict test(const container_view& v);

private:
  list_filter(const list_containers& asked, const list_context& context)
      : filter_(asked.filter), context_(context), names_(asked.filter, "name"),
        all_(asked.all || asked.limit > 0 || has_filter(asked.filter, "status")),
        left_(asked.limit > 0 ? asked.limit : -1) {}

  result<> read_exit_codes();
  result<> check_words() const;
  result<> read_neighbours(const view_list& all);
  result<> read_ports(const std::string& key, std::vector<port_range>& out) const;
  void read_ids(const view_list& all);
  void read_ancestors();

  bool matches_identity(const container_view& v) const;
  bool matches_state(const container_view& v) const;
  bool matches_volumes(const container_definition& d) const;
  bool matches_ancestor(const container_definition& d) const;
  bool matches_network(const container_definition& d) const;
  bool matches_ports(const container_view& v) const;

  const filters& filter_;
  const list_context& context_;
  pattern_filter names_;
  bool all_;
  std::int64_t left_; ///< how many more are wanted; -1 for any number
  std::vector<int> exit_codes_;
  std::set<std::string> ids_;
  std::set<std::string> ancestors_;
  std::string before_, since_;
  std::vector<port_range> expose_, publish_;
  bool want_tasks_ = false;
};

result<list_filter> list_filter::make(const list_containers& asked, const view_list& all, const list_context& context) {
  GANTRY_TRYV(
      check_filter_keys(asked.filter, {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation",
                                       "label", "name", "network", "publish", "since", "status", "volume"}));
  list_filter made(asked, context);
  GANTRY_TRYV(made.read_exit_codes());
  GANTRY_TRYV(made.check_words());
  GANTRY_TRY(tasks, filter_flag(asked.filter, "is-task", false));
  made.want_tasks_ = tasks;
  GANTRY_TRYV(made.read_neighbours(all));
  GANTRY_TRYV(made.read_ports("expose", made.expose_));
  GANTRY_TRYV(made.read_ports("publish", made.publish_));
  made.read_ids(all);
  made.read_ancestors();
  return made;
}

result<> list_filter::read_exit_codes() {
  for (const auto& text : filter_values(filter_, "exited")) {
    int code = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (text.empty() || ec != std::errc() || end != text.data() + text.size())
      return bad("invalid filter 'exited=" + text + "'");
    exit_codes_.push_back(code);
  }
  return {};
}

result<> list_filter::check_words() const {
  for (const auto& word : filter_values(filter_, "status"))
    if (!is_one_of(word, statuses)) return bad("invalid filter 'status=" + word + "'");
  for (const auto& word : filter_values(filter_, "health"))
    if (!is_one_of(word, health_words)) return bad("unrecognized filter value for health: " + word);
  return {};
}

result<> list_filter::read_neighbours(const view_list& all) {
  for (const auto& name : filter_values(filter_, "before")) {
    GANTRY_TRY(found, find_container(all, name));
    before_ = found->definition->id;
  }
  for (const auto& name : filter_values(filter_, "since")) {
    GANTRY_TRY(found, find_container(all, name));
    since_ = found->definition->id;
  }
  return {};
}

result<> list_filter::read_ports(const std::string& key, std::vector<port_range>& out) const {
  for (const auto& text : filter_values(filter_, key)) {
    if (text.find(':') != std::string::npos) return bad("filter for '" + key + "' should not contain ':': " + text);
    const auto range = parse_port_range(text);
    if (!range) return bad("error while looking up for " + key + " " + text + ": invalid port specification");
    out.push_back(*range);
  }
  return {};
}

/// Each value that is the unique beginning of an id stands for that id; an ambiguous one for nothing.
void list_filter::read_ids(const view_list& all) {
  for (const auto& prefix : filter_values(filter_, "id")) {
    const std::string* found = nullptr;
    std::size_t count = 0;
    for (const auto& v : all)
      if (v->definition->id.starts_with(prefix)) {
        found = &v->definition->id;
        ++count;
      }
    if (count == 1) ids_.insert(*found);
  }
}

void list_filter::read_ancestors() {
  if (!context_.image_id_of) return;
  for (const auto& name : filter_values(filter_, "ancestor")) {
    auto id = context_.image_id_of(name);
    if (!id.empty()) ancestors_.insert(std::move(id));
  }
}

list_filter::verdict list_filter::test(const container_view& v) {
  const auto& d = *v.definition;
  if (!before_.empty()) { // the newest ones come first: skip up to and with the named one
    if (d.id == before_) before_.clear();
    return verdict::exclude;
  }
  if (!since_.empty() && d.id == since_) return verdict::stop;
  if (!all_ && !v.state.is_running()) return verdict::exclude;
  if (!matches_identity(v)) return verdict::exclude;
  if (left_ == 0) return verdict::stop;
  if (!matches_state(v) || !matches_volumes(d) || !matches_ancestor(d) || !matches_network(d) || !matches_ports(v))
    return verdict::exclude;
  if (left_ > 0) --left_;
  return verdict::include;
}

bool list_filter::matches_identity(const container_view& v) const {
  const auto& d = *v.definition;
  if (!names_.empty() && !names_.matches(v.name) && !names_.matches("/" + v.name)) return false;
  if (has_filter(filter_, "id") && !ids_.contains(d.id)) return false;
  if (want_tasks_) return false; // there are no swarm tasks here
  // Linux knows no isolation but the default, which is shown as an empty word.
  return matches_labels(filter_, "label", d.config.labels) && matches_exactly(filter_, "isolation", "");
}

bool list_filter::matches_state(const container_view& v) const {
  const auto& s = v.state;
  const bool has_run = !s.is_running() && s.started_at != 0;
  if (!exit_codes_.empty() && (!has_run || !is_one_of(s.exit_code, exit_codes_))) return false;
  return matches_exactly(filter_, "status", to_string(s.status)) && matches_exactly(filter_, "health", "none");
}

bool list_filter::matches_volumes(const container_definition& d) const {
  const auto& wanted = filter_values(filter_, "volume");
  if (wanted.empty()) return true;
  return std::any_of(d.mounts.begin(), d.mounts.end(), [&](const mount_point& m) {
    return wanted.contains(m.destination) || wanted.contains(m.name.empty() ? m.source : m.name);
  });
}

bool list_filter::matches_ancestor(const container_definition& d) const {
  if (!has_filter(filter_, "ancestor")) return true;
  return std::any_of(ancestors_.begin(), ancestors_.end(), [&](const std::string& ancestor) {
    return d.image_id == ancestor || (context_.descends_from && context_.descends_from(d.image_id, ancestor));
  });
}

bool list_filter::matches_network(const container_definition& d) const {
  const auto& wanted = filter_values(filter_, "network");
  if (wanted.empty() || wanted.contains(d.host.network_mode)) return true;
  return std::any_of(d.endpoints.begin(), d.endpoints.end(), [&](const auto& e) { return wanted.contains(e.first); });
}

bool list_filter::matches_ports(const container_view& v) const {
  if (!publish_.empty()) return false; // nothing is published in this version
  if (expose_.empty()) return true;
  const auto ports = live_ports(v);
  return std::any_of(ports.begin(), ports.end(), [&](const exposed_port& p) {
    return std::any_of(expose_.begin(), expose_.end(), [&](const port_range& r) {
      return p.number >= r.first && p.number <= r.last && p.protocol == r.protocol;
    });
  });
}

/// Newest first; equal times by id, so that a list has one order.
bool is_newer(const container_view_ptr& a, const container_view_ptr& b) {
  if (a->definition->created != b->definition->created) return a->definition->created > b->definition->created;
  return a->definition->id > b->definition->id;
}

} // namespace

result<std::vector<container_view_ptr>>
filter_containers(const list_containers& asked, std::vector<container_view_ptr> views, const list_context& context) {
  if (!std::is_sorted(views.begin(), views.end(), is_newer)) std::sort(views.begin(), views.end(), is_newer);
  GANTRY_TRY(filter, list_filter::make(asked, views, context));
  std::vector<container_view_ptr> chosen;
  for (auto& v : views) {
    const auto verdict = filter.test(*v);
    if (verdict == list_filter::verdict::stop) break;
    if (verdict == list_filter::verdict::include) chosen.push_back(std::move(v));
  }
  return chosen;
}

result<bool> matches_prune(const filters& f, const string_map& labels, unix_nanos created, unix_nanos now) {
  GANTRY_TRYV(check_filter_keys(f, {"label", "label!", "until"}));
  GANTRY_TRY(until, filter_until(f, now));
  if (until && created >= *until) return false;
  return matches_prune_labels(f, labels);
}

} // namespace gantry::api
