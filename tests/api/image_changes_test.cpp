/// Dockerfile lines of `import --change` (behaviours 259).
#include <catch2/catch.hpp>

#include "api/dockerfile_words.hpp"
#include "api/image_json.hpp"

using namespace gantry;
using namespace gantry::api;

namespace {

container_config changed(const string_list& changes, container_config config = {}) {
  auto done = apply_changes(config, changes);
  if (done.has_error()) FAIL(done.error().message);
  return config;
}

std::string refused(const string_list& changes) {
  container_config config, before;
  auto done = apply_changes(config, changes);
  REQUIRE(done.has_error());
  CHECK(done.error().code == errc::invalid_parameter);
  CHECK(config.env == before.env); // nothing is half applied
  return done.error().message;
}

} // namespace

TEST_CASE("commands come as JSON or for the shell", "[api][changes]") {
  CHECK(changed({"CMD [\"a\", \"b c\"]"}).cmd == string_list{"a", "b c"});
  CHECK(changed({"cmd echo \"$HOME\" && x"}).cmd == string_list{"/bin/sh", "-c", "echo \"$HOME\" && x"});
  CHECK(changed({"CMD ['a']"}).cmd == string_list{"/bin/sh", "-c", "['a']"});
  CHECK(changed({"CMD []"}).cmd == string_list{});
  CHECK(changed({"ENTRYPOINT [\"/e\"]"}).entrypoint == string_list{"/e"});
  CHECK_FALSE(changed({"ENTRYPOINT []"}).entrypoint);
  container_config old;
  old.cmd = string_list{"old"};
  CHECK_FALSE(changed({"ENTRYPOINT [\"/e\"]"}, old).cmd);
  CHECK(changed({"CMD new", "ENTRYPOINT [\"/e\"]"}, old).cmd->back() == "new");
  old.shell = string_list{"/bin/bash", "-ec"};
  CHECK(changed({"CMD x"}, old).cmd == string_list{"/bin/bash", "-ec", "x"});
}

TEST_CASE("ENV has two forms, quotes, escapes and variables", "[api][changes]") {
  container_config base;
  base.env = {"PATH=/bin", "A=old"};
  CHECK(changed({"ENV A=1 B=\"two words\" C=x\\ y D='$A' E=$A F=${B:-none}"}, base).env ==
        string_list{"PATH=/bin", "A=1", "B=two words", "C=x y", "D=$A", "E=old", "F=none"});
  CHECK(changed({"ENV PATH $PATH:/usr/local/bin  "}, base).env[0] == "PATH=/bin:/usr/local/bin");
  CHECK(changed({"ENV A 1\nENV B=$A"}, base).env == string_list{"PATH=/bin", "A=1", "B=1"});
  CHECK(changed({"ENV A=b=c E="}, {}).env == string_list{"A=b=c", "E="});
  CHECK(changed({"ENV X=\"a\\\"b\\$c\\d\""}).env == string_list{"X=a\"b$c\\d"});
  CHECK(changed({"ENV X=${A:+yes} Y=${Z-dflt} Z=${A+set}"}, base).env.back() == "Z=set");
  CHECK(refused({"ENV A"}) == "dockerfile parse error on line 1: ENV must have two arguments");
  CHECK(refused({"ENV"}) == "dockerfile parse error on line 1: ENV requires at least one argument");
  CHECK(refused({"ENV A=1 B"}).find("can't find = in \"B\"") != std::string::npos);
  CHECK(refused({"ENV =1"}).find("names can not be blank") != std::string::npos);
  CHECK(refused({"ENV A=\"x"}).find("double-quote") != std::string::npos);
  CHECK(refused({"ENV A='x"}).find("single-quote") != std::string::npos);
  CHECK(refused({"ENV A=${B"}).find("missing '}'") != std::string::npos);
  CHECK(refused({"ENV A=${B:%x}"}).find("unsupported modifier") != std::string::npos);
  CHECK(refused({"ENV A=${B:?gone}"}).find("B: gone") != std::string::npos);
}

TEST_CASE("the other instructions", "[api][changes]") {
  auto c = changed({"LABEL a=1 \"b c\"=\"d e\"", "LABEL f some value", "EXPOSE 80 53/udp 8000-8002/tcp 80/tcp",
                    "USER me:us", "VOLUME [\"/a b\"]", "VOLUME /v1 /v2 /v1", "WORKDIR /srv", "WORKDIR app/../data",
                    "STOPSIGNAL SIGINT", "ONBUILD RUN make", "ONBUILD COPY . /x"});
  CHECK(c.labels == string_map{{"a", "1"}, {"b c", "d e"}, {"f", "some value"}});
  CHECK(c.exposed_ports == string_list{"53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"});
  CHECK(c.user == "me:us");
  CHECK(c.volumes == string_list{"/a b", "/v1", "/v2"});
  CHECK(c.working_dir == "/srv/data");
  CHECK(c.stop_signal == "SIGINT");
  CHECK(c.on_build == string_list{"RUN make", "COPY . /x"});
  CHECK(changed({"WORKDIR ../.."}).working_dir == "/");
  CHECK(refused({"EXPOSE x"}).find("Invalid containerPort: x") != std::string::npos);
  CHECK(refused({"EXPOSE 70000"}).find("Invalid containerPort") != std::string::npos);
  CHECK(refused({"VOLUME [\"\"]"}).find("VOLUME specified can not be an empty string") != std::string::npos);
  CHECK(refused({"STOPSIGNAL NOPE"}).find("invalid signal: NOPE") != std::string::npos);
  CHECK(refused({"ONBUILD ONBUILD RUN x"}).find("Chaining") != std::string::npos);
  CHECK(refused({"ONBUILD FROM x"}).find("FROM isn't allowed") != std::string::npos);
  CHECK(refused({"USER"}).find("requires exactly one argument") != std::string::npos);
  CHECK(refused({"WORKDIR --x=1 /a"}).find("unknown flag: --x") != std::string::npos);
}

TEST_CASE("HEALTHCHECK has options", "[api][changes]") {
  auto h = *changed({"HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --start-interval=2ms --retries=4 CMD "
                     "curl -f x || exit 1"})
                .healthcheck;
  CHECK(h.test == string_list{"CMD-SHELL", "curl -f x || exit 1"});
  CHECK((h.interval_ns == 300'000'000'000 && h.timeout_ns == 3'000'000'000 && h.start_period_ns == 1'000'000'000));
  CHECK((h.start_interval_ns == 2'000'000 && h.retries == 4));
  CHECK(changed({"healthcheck cmd [\"a\",\"b\"]"}).healthcheck->test == string_list{"CMD", "a", "b"});
  CHECK(changed({"HEALTHCHECK NONE"}).healthcheck->test == string_list{"NONE"});
  for (const char* bad :
       {"HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK CMD []", "HEALTHCHECK NONE x", "HEALTHCHECK RUN x",
        "HEALTHCHECK --odd=1 CMD x", "HEALTHCHECK --interval=x CMD y", "HEALTHCHECK --interval=1us CMD y",
        "HEALTHCHECK --retries=-1 CMD y", "HEALTHCHECK --retries=x CMD y"})
    refused({bad});
}

TEST_CASE("lines, comments and continuations", "[api][changes]") {
  CHECK(changed({"# nothing\n\n  USER a\\\nb  \n"}).user == "ab");
  CHECK(changed({"ENV A=1 \\\n# between\n\n  B=2"}).env == string_list{"A=1", "B=2"});
  CHECK(changed({}).env.empty());
  CHECK(refused({"USER a", "FROM x"}) == "FROM is not a valid change command");
  CHECK(refused({"Run x"}) == "Run is not a valid change command");
  CHECK(refused({"USER a\nENV"}) == "dockerfile parse error on line 2: ENV requires at least one argument");
}

TEST_CASE("expansion cannot grow without end", "[api][changes]") {
  string_list doubling{"ENV A=xxxxxxxxxxxxxxxx"};
  for (int i = 0; i < 40; ++i) doubling.push_back("ENV A=$A$A");
  CHECK(refused(doubling).find("too long") != std::string::npos);
  string_list ports(3, "EXPOSE 1-65535");
  CHECK(changed(ports).exposed_ports.size() == 65535);
  ports.push_back("EXPOSE 1");
  CHECK(refused(ports).find("too many exposed ports") != std::string::npos);
  std::string deep = "x";
  for (int i = 0; i < 30; ++i) deep = "${N:-" + deep + "}";
  CHECK(refused({"ENV A=" + deep}).find("nested too deeply") != std::string::npos);
}
