// POST /images/load and POST /images/create?fromSrc=-: an archive that streams from the client through a pipe into the
// image store, which hashes and unpacks it as it comes. The pipe is the back-pressure.
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "actors/handlers.hpp"
#include "io/reactor.hpp"
#include "storage/reference.hpp"

namespace gantry::actors {

namespace {

/// Uploads hold a thread each, because a client may be slow and the pool's threads are few.
constexpr int uploads_max = 16;
constexpr int pipe_bytes = 1 << 20;

std::atomic<int> uploads{0};

/// Relays the body into a pipe; a thread of its own runs `work` on the other end.
class upload_exchange : public exchange {
public:
  using work_function = std::function<result<>(int source_fd)>;

  explicit upload_exchange(connection& c) : connection_(c) {}
  ~upload_exchange() override { *alive_ = false; }

  /// `finish` runs in the connection's context with what `work` gave.
  result<> start(work_function work, std::function<void(result<>)> finish) {
    if (uploads.fetch_add(1) >= uploads_max) {
      uploads.fetch_sub(1);
      return error{errc::unavailable, 0, "too many archives are being loaded, try again later"};
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      uploads.fetch_sub(1);
      return sys_error("make a pipe", errno);
    }
    auto source = std::make_shared<unique_fd>(ends[0]);
    sink_ = std::make_shared<unique_fd>(ends[1]);
    ::fcntl(sink_->get(), F_SETPIPE_SZ, pipe_bytes); // refused beyond the user's share: then it stays small
    ::fcntl(sink_->get(), F_SETFL, O_NONBLOCK);
    finish_ = std::move(finish);
    std::thread([this, self = connection_.handle(), alive = alive_, source, work = std::move(work)]() mutable {
      auto r = std::make_shared<result<>>(work(source->get()));
      source.reset(); // a writer that goes on is told so by EPIPE
      uploads.fetch_sub(1);
      run_in(self, [this, alive, r] {
        if (*alive) finished(std::move(*r));
      });
    }).detach();
    return {};
  }

  void on_input(std::string_view bytes) override {
    if (!sink_) return; // the archive was refused: the rest is thrown away
    waiting_.append(bytes);
    write_some();
  }

  void on_input_end() override {
    ended_ = true;
    if (waiting_.empty()) sink_.reset();
    if (outcome_) answer();
  }

  void on_gone() override { sink_.reset(); } // the work sees its archive break off

private:
  void write_some() {
    if (writing_ || waiting_.empty()) return;
    writing_ = true;
    connection_.pause_input();
    auto piece = std::make_shared<std::string>(std::exchange(waiting_, {}));
    write_piece(std::move(piece), 0);
  }

  void write_piece(std::shared_ptr<std::string> piece, std::size_t from) {
    auto bytes = std::as_bytes(std::span(*piece)).subspan(from);
    io::reactor::current()->write(
        sink_->get(), bytes, [self = connection_.handle(), this, alive = alive_, sink = sink_, piece, from](int n) {
          run_in(self, [this, alive, piece, from, n] {
            if (!*alive) return;
            if (n > 0 && sink_ && from + static_cast<std::size_t>(n) < piece->size())
              return write_piece(piece, from + static_cast<std::size_t>(n));
            writing_ = false;
            if (n <= 0) sink_.reset(), waiting_.clear();
            if (ended_ && waiting_.empty()) sink_.reset();
            connection_.resume_input();
          });
        });
  }

  void finished(result<> r) {
    outcome_ = std::move(r);
    // An answer before the end of the body would make a client that only writes fail with a reset.
    if (ended_ || outcome_->has_error()) answer();
  }

  void answer() { finish_(*outcome_); }

  connection& connection_;
  std::shared_ptr<unique_fd> sink_;
  std::function<void(result<>)> finish_;
  std::optional<result<>> outcome_;
  std::string waiting_;
  bool writing_ = false;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Progress in Docker's shape: the head goes out with the first object; an error before it is an ordinary error reply.
struct progress_stream {
  explicit progress_stream(connection& c) : connection_(c) {}

  void write(std::string object) {
    if (!std::exchange(begun_, true)) connection_.stream_head({});
    connection_.stream(object);
  }
  void end(const result<>& r) {
    if (r.has_error() && !begun_) return connection_.reply_error(r.error());
    if (r.has_error()) connection_.stream(api::render_stream_error(r.error().message));
    if (!begun_) connection_.stream_head({});
    connection_.stream_end();
  }

  connection& connection_;
  bool begun_ = false;
};

std::unique_ptr<exchange> begin_load(connection& c, const api::load_images& call) {
  auto& s = c.svc();
  auto upload = std::make_unique<upload_exchange>(c);
  auto progress = std::make_shared<progress_stream>(c);
  auto number = c.request_number();
  auto report = [&c, self = c.handle(), number, progress, quiet = call.quiet](const storage::image_store::progress& p) {
    if (p.stream.empty() && quiet) return;
    auto object = p.stream.empty() ? api::render_status_message(p.status, p.id, p.current, p.total)
                                   : api::render_stream_message(p.stream);
    run_in(self, [&c, number, progress, object = std::move(object)] {
      if (number == c.request_number()) progress->write(object);
    });
  };
  auto work = [&s, report](int source) -> result<> {
    GANTRY_TRY(ids, s.images->load(source, report));
    for (auto& id : ids) publish_image_event(s, "load", id, id);
    return {};
  };
  auto started = upload->start(work, [progress](result<> r) { progress->end(r); });
  if (started.has_value()) return upload;
  c.reply_error(started.error());
  return nullptr;
}

result<storage::image_store::import_options> import_options_of(const api::import_image& call) {
  storage::image_store::import_options options;
  if (!call.repository.empty()) {
    auto text = call.tag.empty() ? call.repository : call.repository + ":" + call.tag;
    GANTRY_TRY(reference, storage::parse_reference_with_default_tag(text));
    if (!reference.digest.empty()) return error{errc::invalid_parameter, 0, "cannot import digest reference"};
    options.tag = reference.familiar();
  }
  api::container_config config;
  GANTRY_TRYV(api::apply_changes(config, call.changes));
  options.config_json = api::render_container_config(config);
  options.comment = call.message.empty() ? "Imported from -" : call.message;
  options.architecture = "amd64";
  auto first = call.platform.find('/');
  if (first != std::string::npos) {
    options.os = call.platform.substr(0, first);
    auto second = call.platform.find('/', first + 1);
    options.architecture = call.platform.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    if (second != std::string::npos) options.variant = call.platform.substr(second + 1);
  }
  return options;
}

std::unique_ptr<exchange> begin_import(connection& c, const api::import_image& call) {
  auto& s = c.svc();
  auto options = import_options_of(call);
  if (options.has_error()) {
    c.reply_error(options.error());
    return nullptr;
  }
  auto upload = std::make_unique<upload_exchange>(c);
  auto progress = std::make_shared<progress_stream>(c);
  auto id = std::make_shared<std::string>();
  auto work = [&s, options = *options, id](int source) -> result<> {
    GANTRY_TRY(imported, s.images->import(source, options));
    *id = imported;
    publish_image_event(s, "import", imported, options.tag.empty() ? imported : options.tag);
    return {};
  };
  auto started = upload->start(work, [progress, id](result<> r) {
    if (r.has_value()) progress->write(api::render_status_message(*id, "", 0, -1));
    progress->end(r);
  });
  if (started.has_value()) return upload;
  c.reply_error(started.error());
  return nullptr;
}

} // namespace

std::unique_ptr<exchange> begin_upload(connection& c, api::call call) {
  if (auto* load = std::get_if<api::load_images>(&call)) return begin_load(c, *load);
  if (auto* import = std::get_if<api::import_image>(&call)) return begin_import(c, *import);
  c.reply_error({errc::internal, 0, "this endpoint takes no archive"});
  return nullptr;
}

// Both are begun when their head has come (begin_upload); a table that routes them here is wrong.
void handle(connection& c, api::load_images) { c.reply_error({errc::internal, 0, "load without its body"}); }
void handle(connection& c, api::import_image) { c.reply_error({errc::internal, 0, "import without its body"}); }

} // namespace gantry::actors
