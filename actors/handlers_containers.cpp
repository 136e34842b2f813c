// Calls about containers: create, read, the verbs, wait and prune.
#include "actors/handlers.hpp"

#include <filesystem>

#include "actors/process_table.hpp"
#include "io/base/ids.hpp"

namespace gantry::actors {

namespace {

/// Bytes of the regular files below a directory: a container's own layer (SizeRw).
std::int64_t directory_size(const std::string& directory) {
  namespace fs = std::filesystem;
  std::int64_t total = 0;
  std::error_code e;
  for (fs::recursive_directory_iterator it(directory, fs::directory_options::skip_permission_denied, e), end;
       !e && it != end; it.increment(e)) {
    std::error_code one;
    if (it->is_regular_file(one) && !it->is_symlink(one)) total += static_cast<std::int64_t>(it->file_size(one));
  }
  return total;
}

std::int64_t image_size(services& s, const std::string& image_id) {
  auto image = s.images->images()->find_for_container(image_id);
  return image ? image->size_bytes : 0;
}

/// Finds the container, or answers that there is none.
std::optional<directory::entry> find(connection& c, const std::string& name_or_id) {
  auto found = c.svc().containers.find(name_or_id);
  if (found.has_value()) return std::move(found).value();
  c.reply_error(found.error());
  return std::nullopt;
}

/// The common shape: one message to one container, 204 when it is done.
template <class Message>
void ask_and_confirm(connection& c, const std::string& name_or_id, Message message) {
  auto found = find(c, name_or_id);
  if (found) c.ask(found->actor, std::move(message), [&c](const msg::done&) { c.reply_status(204); });
}

// -- create -----------------------------------------------------------------------

struct create_job {
  api::create_request request;
  std::vector<std::string> warnings;
  std::shared_ptr<const storage::image_info> image;
  image_pins::pin pin; ///< until the container itself is listed
};

std::string default_hostname(services& s, const api::container_definition& d) {
  bool of_host = d.host.network_mode == "host" || d.host.uts_mode == "host";
  return of_host ? s.host.hostname : short_id(d.id);
}

result<std::shared_ptr<api::container_definition>> define(services& s, const create_job& job,
                                                          const image_cache::prepared& prepared) {
  auto d = std::make_shared<api::container_definition>();
  d->id = random_id();
  d->created = now_nanos();
  d->config = job.request.config;
  d->host = job.request.host;
  d->endpoints = job.request.endpoints;
  GANTRY_TRYV(api::merge_image_config(d->config, prepared.config.config));
  api::string_list words = d->config.entrypoint.value_or(api::string_list{});
  if (d->config.cmd) words.insert(words.end(), d->config.cmd->begin(), d->config.cmd->end());
  if (words.empty()) return error{errc::invalid_parameter, 0, "no command specified"};
  d->path = words.front();
  d->args.assign(words.begin() + 1, words.end());
  d->image_id = job.image->id;
  d->image_name = job.request.config.image;
  if (!prepared.config.os.empty()) d->os = prepared.config.os;
  if (!prepared.config.architecture.empty()) d->architecture = prepared.config.architecture;
  GANTRY_TRY(mounts, resolve_mounts(d->config, d->host));
  // Volumes come with a later version: what an image or request declares as one is a plain directory of the container.
  std::erase_if(mounts, [](const api::mount_point& m) { return m.type == "volume"; });
  d->mounts = std::move(mounts);
  d->lower_dirs = prepared.lower_dirs;
  s.fill_paths(*d);
  if (d->config.hostname.empty()) d->config.hostname = default_hostname(s, *d);
  return d;
}

void create(connection& c, const create_job& job, const image_cache::prepared& prepared) {
  auto& s = c.svc();
  auto defined = define(s, job, prepared);
  if (defined.has_error()) return c.reply_error(defined.error());
  auto& d = *defined;
  auto name = job.request.name;
  if (name.starts_with('/')) name.erase(0, 1);
  if (name.empty())
    name = s.containers.reserve_generated_name(d->id);
  else if (auto taken = s.containers.reserve_name(name, d->id); taken.has_error())
    return c.reply_error(taken.error());
  auto id = d->id;
  auto view = std::make_shared<const api::container_view>(api::container_view{std::move(d), name, {}, 0});
  auto actor = spawn_container(s, std::move(view));
  c.ask(actor, msg::create{}, [&c, id, warnings = job.warnings, pin = job.pin](const msg::done&) {
    c.reply_json(api::render_created(id, warnings), 201);
  });
}

} // namespace

void handle(connection& c, api::create_container call) {
  auto& s = c.svc();
  if (s.stopping) return c.reply_error({errc::unavailable, 0, "the engine is shutting down"});
  create_job job;
  job.request = std::move(call.request);
  auto checked = api::validate_and_complete(job.request, s.api_host, c.version());
  if (checked.has_error()) return c.reply_error(checked.error());
  job.warnings = std::move(checked).value();
  auto image = s.images->images()->find(job.request.config.image);
  if (image.has_error()) return c.reply_error(image.error());
  job.image = std::move(image).value();
  job.pin = s.pinned_images.hold(job.image->id);
  if (auto prepared = s.prepared_images.find(job.image->id)) return create(c, job, *prepared);
  c.in_pool<image_cache::prepared_ptr>(
      [&s, image_info = job.image] { return image_cache::prepare(*s.images, *image_info); },
      [&c, &s, job](result<image_cache::prepared_ptr> prepared) {
        if (prepared.has_error()) return c.reply_error(prepared.error());
        s.prepared_images.insert(job.image->id, *prepared);
        create(c, job, **prepared);
      });
}

// -- reading ----------------------------------------------------------------------

api::list_context make_list_context(services& s) {
  api::list_context context;
  context.now = now_nanos();
  context.image_id_of = [images = s.images->images()](std::string_view name) {
    auto found = images->find(name);
    return found.has_value() ? (*found)->id : std::string{};
  };
  context.descends_from = [images = s.images->images()](std::string_view image_id, std::string_view ancestor_id) {
    if (image_id == ancestor_id) return true;
    auto image = images->find(image_id), ancestor = images->find(ancestor_id);
    if (image.has_error() || ancestor.has_error()) return false;
    auto& mine = (*image)->layers;
    auto& theirs = (*ancestor)->layers;
    return !theirs.empty() && mine.size() > theirs.size() && mine[theirs.size() - 1].chain_id == theirs.back().chain_id;
  };
  return context;
}

void handle(connection& c, api::list_containers call) {
  auto& s = c.svc();
  auto context = make_list_context(s);
  auto views = api::filter_containers(call, s.containers.views(), context);
  if (views.has_error()) return c.reply_error(views.error());
  if (!call.size) return c.reply_json(api::render_list(*views, c.version(), context));
  c.in_pool<std::string>(
      [&s, context, views = *views, version = c.version()]() mutable -> result<std::string> {
        context.sizes_of = [&s](const api::container_view& v) {
          auto rw = directory_size(v.definition->upper_dir);
          return std::pair{rw, rw + image_size(s, v.definition->image_id)};
        };
        return api::render_list(views, version, context);
      },
      [&c](result<std::string> body) { c.reply_json(*body); });
}

void handle(connection& c, api::inspect_container call) {
  auto found = find(c, call.id);
  if (!found) return;
  if (!call.size) return c.reply_json(api::render_inspect(*found->view, c.version()));
  c.in_pool<std::string>(
      [&s = c.svc(), view = found->view, version = c.version()]() -> result<std::string> {
        auto rw = directory_size(view->definition->upper_dir);
        return api::render_inspect(*view, version, rw, rw + image_size(s, view->definition->image_id));
      },
      [&c](result<std::string> body) { c.reply_json(*body); });
}

void handle(connection& c, api::container_top call) {
  auto found = find(c, call.id);
  if (!found) return;
  auto& view = *found->view;
  if (!view.state.is_running())
    return c.reply_error({errc::conflict, 0, "container " + view.definition->id + " is not running"});
  auto& own = view.definition->host.cgroup_parent;
  auto group = (own.empty() ? c.svc().cgroup_parent : own) + "/" + view.definition->id;
  auto arguments = call.ps_args.empty() ? std::string("-ef") : call.ps_args;
  c.in_pool<process_table>([&s = c.svc(), group, arguments] { return list_processes(s.cgroups, group, arguments); },
                           [&c](result<process_table> table) {
                             if (table.has_error()) return c.reply_error(table.error());
                             c.reply_json(api::render_top(table->titles, table->rows));
                           });
}

// -- verbs -------------------------------------------------------------------------

void handle(connection& c, api::start_container call) { ask_and_confirm(c, call.id, msg::start{}); }

void handle(connection& c, api::stop_container call) {
  ask_and_confirm(c, call.id, msg::stop{std::move(call.signal), call.timeout_s});
}

void handle(connection& c, api::restart_container call) {
  auto found = find(c, call.id);
  if (!found) return;
  auto number = c.request_number();
  c.request(found->actor, caf::infinite, msg::restart{std::move(call.signal), call.timeout_s})
      .then([&c](const msg::done&) { c.reply_status(204); },
            [&c, number, id = call.id](const caf::error& e) {
              if (number == c.request_number())
                c.reply_error(with_context(from_caf(e), "Cannot restart container " + id + ": "));
            });
}

void handle(connection& c, api::kill_container call) {
  auto signal = api::parse_signal(call.signal.empty() ? "SIGKILL" : call.signal);
  if (signal.has_error()) return c.reply_error(signal.error());
  ask_and_confirm(c, call.id, msg::kill{*signal});
}

void handle(connection& c, api::rename_container call) {
  auto name = call.name.starts_with('/') ? call.name.substr(1) : call.name;
  if (name.empty()) return c.reply_error({errc::invalid_parameter, 0, "Neither old nor new names may be empty"});
  auto found = find(c, call.id);
  if (!found) return;
  if (auto valid = api::validate_container_name(name); valid.has_error())
    return c.reply_error(with_context(valid.error(), "Error when allocating new name: "));
  c.ask(found->actor, msg::rename{name}, [&c](const msg::done&) { c.reply_status(204); });
}

void handle(connection& c, api::resize_container call) {
  auto found = find(c, call.id);
  if (!found) return;
  c.ask(found->actor, msg::resize{call.rows, call.columns}, [&c](const msg::done&) { c.reply_status(200); });
}

void handle(connection& c, api::remove_container call) {
  if (call.link) {
    c.reply_error({errc::not_implemented, 0, "removing a link is not implemented in this version of Gantry"});
    return;
  }
  ask_and_confirm(c, call.id, msg::remove{call.force});
}

// -- wait --------------------------------------------------------------------------

namespace {

/// The head goes out at once, so that a client knows its wait stands before it starts the container (behaviours 84); so
/// the container must have it by then.
class wait_exchange : public exchange {
public:
  wait_exchange(connection& c, const directory::entry& target, api::wait_condition condition)
      : gone_(std::make_shared<std::atomic<bool>>(false)) {
    bool early = c.version() >= api::api_version{1, 30};
    auto number = c.request_number();
    c.request(target.actor, caf::infinite, msg::wait{condition, gone_})
        .then(
            [&c, number, early](const msg::wait_result& r) {
              if (number == c.request_number()) answer(c, early, api::render_wait(r.status_code, r.error));
            },
            // It was removed before the wait came to it: its last status is the answer.
            [&c, number, early, code = target.view->state.exit_code](const caf::error&) {
              if (number == c.request_number()) answer(c, early, api::render_wait(code, {}));
            });
    if (early) c.stream_head({});
  }
  ~wait_exchange() override { *gone_ = true; }

private:
  static void answer(connection& c, bool early, const std::string& body) {
    if (!early) return c.reply_json(body);
    c.stream(body);
    c.stream_end();
  }

  msg::cancelled gone_;
};

} // namespace

void handle(connection& c, api::wait_container call) {
  auto found = find(c, call.id);
  if (found) (void)c.begin(std::make_unique<wait_exchange>(c, *found, call.condition));
}

// -- prune --------------------------------------------------------------------------

namespace {

struct prune_state {
  std::vector<std::pair<std::string, std::int64_t>> candidates; ///< id, bytes of its own layer
  std::size_t next = 0;
  api::string_list deleted;
  std::int64_t reclaimed = 0;
};

void prune_next(connection& c, std::shared_ptr<prune_state> state) {
  auto& s = c.svc();
  while (state->next < state->candidates.size()) {
    auto& [id, bytes] = state->candidates[state->next++];
    auto actor = s.containers.actor_of(id);
    if (!actor) continue;
    auto number = c.request_number();
    c.request(actor, caf::infinite, msg::remove{false})
        .then(
            [&c, state, number, id, bytes](const msg::done&) {
              state->deleted.push_back(id);
              state->reclaimed += bytes;
              if (number == c.request_number()) prune_next(c, state);
            },
            [&c, state, number](const caf::error&) { // started or removed meanwhile
              if (number == c.request_number()) prune_next(c, state);
            });
    return;
  }
  api::event e;
  e.type = "container";
  e.action = "prune";
  e.attributes["reclaimed"] = std::to_string(state->reclaimed);
  s.events.publish(std::move(e));
  c.reply_json(api::render_containers_pruned(state->deleted, state->reclaimed));
}

} // namespace

void handle(connection& c, api::prune_containers call) {
  auto state = std::make_shared<prune_state>();
  for (auto& view : c.svc().containers.views()) {
    auto match =
        api::matches_prune(call.filter, view->definition->config.labels, view->definition->created, now_nanos());
    if (match.has_error()) return c.reply_error(match.error());
    auto status = view->state.status;
    bool stopped = status == api::container_status::created || status == api::container_status::exited ||
                   status == api::container_status::dead;
    if (*match && stopped) state->candidates.emplace_back(view->definition->id, 0);
  }
  c.in_pool<std::shared_ptr<prune_state>>(
      [&s = c.svc(), state]() -> result<std::shared_ptr<prune_state>> {
        for (auto& [id, bytes] : state->candidates) bytes = directory_size(s.container_dir(id) + "/upper");
        return state;
      },
      [&c](result<std::shared_ptr<prune_state>> measured) { prune_next(c, *measured); });
}

} // namespace gantry::actors
