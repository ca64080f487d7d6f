// libcurl, one handle a request: the teacher's time dwarfs a connection's.
#include "limbeck/teacher/http_client.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>

#include "limbeck/base/error.h"

namespace limbeck {
namespace {

struct Reply {
  std::string body;
  std::size_t limit = 0;
  bool too_big = false;
};

std::size_t take(char* bytes, std::size_t, std::size_t n, void* to) {
  auto& reply = *static_cast<Reply*>(to);
  if (n > reply.limit - reply.body.size()) {
    reply.too_big = true;
    return 0;  // makes libcurl give up
  }
  reply.body.append(bytes, n);
  return n;
}

int asked_to_stop(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(cancelled))() ? 1 : 0;
}

CURL* new_handle() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  CURL* handle = curl_easy_init();
  if (handle == nullptr) fail(ErrorKind::network, "libcurl cannot start");
  return handle;
}

}  // namespace

HttpReply http_post(const std::string& url, const std::vector<std::string>& headers,
                    const std::string& body, const HttpLimits& limits,
                    const std::function<bool()>& cancelled) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> owner(new_handle(), curl_easy_cleanup);
  CURL* handle = owner.get();
  curl_slist* list = nullptr;
  for (const auto& header : headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> list_owner(list,
                                                                               curl_slist_free_all);
  Reply reply;
  reply.limit = limits.reply_bytes;
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(limits.timeout_s * 1000));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.c_str());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &reply);
  if (cancelled) {
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, asked_to_stop);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &cancelled);
  }
  HttpReply result;
  const CURLcode code = curl_easy_perform(handle);
  if (reply.too_big) {
    result.failure = fmt::format("the reply is over {} bytes", limits.reply_bytes);
    return result;
  }
  if (code != CURLE_OK) {
    result.failure = curl_easy_strerror(code);
    return result;
  }
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &result.status);
  curl_off_t seconds = 0;
  if (curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
    result.retry_after_s = static_cast<double>(seconds);
  }
  result.body = std::move(reply.body);
  return result;
}

}  // namespace limbeck
