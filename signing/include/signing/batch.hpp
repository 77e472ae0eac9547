#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pki/time_stamp.hpp"
#include "signing/dialog.hpp"
#include "signing/journal.hpp"
#include "signing/manifest.hpp"
#include "signing/pin_cache.hpp"
#include "signing/turns.hpp"
#include "xades/build.hpp"

// Start here: batches of hashes, from the first digest to the last signature. Knows tokens, the person and the journal; knows
// neither sockets nor JSON. All of it runs on one thread (the executor's).
namespace signet::signing {

struct BatchRequest {
  std::string purpose = {};    // what the page says that this is for; at most 256 bytes
  std::string certificate_id = {};  // SigningCertificate::id(); empty: the one remembered for the origin, or the person chooses
  xades::Level level = xades::Level::b_b;
  xades::Packaging packaging = xades::Packaging::detached;
  bool together = false;       // one signature over all items instead of one each; not where each document holds its own
  bool prefer_pss = false;     // RSA-PSS where the token offers it; mechanism_unsupported where not
  // What is stated with each signature, without a content time stamp. The person is shown all of it before consenting.
  xades::Statements statements = {};
};

enum class BatchState : std::uint8_t {
  collecting,  // takes items
  waiting,     // for the person, or a dialog was cancelled: commit again
  running,
  paused,      // an error stopped it; resume goes on with the unsigned items
  complete,
  cancelled,
};
std::string_view name(BatchState state);

struct BatchProgress {
  BatchState state = BatchState::collecting;
  std::size_t total = 0;         // signatures to be made
  std::size_t signed_count = 0;
  std::size_t ready = 0;         // signed or given up, and with their time stamps or without for good reason
  std::uint64_t results = 0;     // the newest result's sequence number; more than `ready` where time stamps came later
  std::size_t time_stamps_missing = 0;
  std::uint64_t acknowledged = 0;  // all results up to this sequence number
  std::optional<std::chrono::seconds> remaining;
  std::optional<base::Error> error;  // why it paused or was cancelled
};

// One signature, or one item that could not be signed.
struct ItemResult {
  std::uint64_t sequence = 0;  // from 1, without gaps; a later one for the same item replaces the earlier (a time stamp came)
  std::string id;              // of the item; of the first one where all share a signature
  std::string document;        // XAdES; empty with an error
  xades::Level level{};
  std::optional<base::Error> error;             // not signed
  std::optional<base::Error> time_stamp_error;  // signed at B-B although B-T was asked for
};

// What this folder needs of the outside, filled in by the agent.
struct SigningPorts {
  pkcs11::Modules& modules;
  Dialog& dialog;
  Journal& journal;
  std::function<base::Time()> now;
  // Several TSAs in order, with their retries; time_stamp_failed when none gave a token.
  std::function<boost::asio::awaitable<base::Result<pki::TimeStampToken>>(base::Digest imprint)> time_stamp;
  // The certificate that an origin was given before, and a new one to remember; kept by the agent over restarts.
  std::function<std::string(const Origin&)> remembered_certificate;
  std::function<void(const Origin&, const std::string& certificate_id)> remember_certificate;
  // A batch began (true) or the last one stopped (false) running.
  std::function<void(bool)> running_changed;
  // The journal's head at a batch's end, for the system journal.
  std::function<void(std::string_view head)> journal_head;
  // Somebody asked for the missing time stamps again: an earlier failure is no reason not to ask the TSAs.
  std::function<void()> time_stamps_asked_anew = {};
  // Why nobody can be asked now (screen_locked, machine_asleep): then no dialog is opened.
  std::function<std::optional<base::Error>()> away = {};
};

struct SigningLimits {
  ManifestLimits manifest = {};
  std::size_t max_batches_per_origin = 8;  // unfinished; a paused one whose page has gone makes room for a new one
  std::size_t max_unacknowledged = 1'000;  // results; more stop the signing until the page reads
  std::size_t max_time_stamps_pending = 128;   // twice as many as are asked for at once
  std::chrono::seconds keep_after_disconnect{600};      // unacknowledged results of a finished batch
  std::chrono::seconds wait_for_page{10};               // a running batch whose page has gone pauses after so long
  std::chrono::seconds keep_unfinished{24 * 3600};      // a paused batch
};

// The beginning of the Ids in the signatures of a batch: its nth, from 0, has the Id "<this>-n". Says nothing of the handle.
std::string id_of_batch(std::string_view handle);

// How whoever shows a batch hears of it. Called on the thread; must not block.
struct BatchListener {
  std::function<void()> results_ready;
  std::function<void()> progress_changed;
  Dialog::WaitingCallback waiting;
};

// All batches of the agent. A batch is known by its handle: 256 random bits, told to its origin alone.
class Batches {
 public:
  Batches(boost::asio::any_io_executor executor, SigningPorts ports, PinPolicy pin_policy, SigningLimits limits);
  ~Batches();
  Batches(const Batches&) = delete;  // owns running work
  Batches& operator=(const Batches&) = delete;

  // The certificate for an origin: the one remembered, or the one that the person now chooses; the only one, too, is told to a
  // page only after the person said so. `again` asks anew.
  boost::asio::awaitable<base::Result<SigningCertificate>> choose_certificate(Asker asker, Origin origin, bool again,
                                                                              Dialog::WaitingCallback waiting);
  // Closes the dialog of a choice that nobody waits for any more.
  void withdraw_choice(const Asker& asker);

  base::Result<std::string> begin(const Origin& origin, std::uint32_t user, BatchRequest request);
  // batch_unknown for a handle that does not exist or belongs to another origin: the two are not told apart.
  base::Result<std::size_t> add(const Origin& origin, const std::string& handle, std::size_t part, const std::vector<Manifest::Item>& items);

  // Seals the manifest, asks for consent and PIN, and starts signing; returns once it runs. The first commit says how many
  // items there must be. After user_cancelled or pin_incorrect the batch still waits: commit again. `given` is a PIN and consent
  // that came with the command itself (`signet sign --pin-stdin`): never the token's last try (user_cancelled), and nothing for a
  // reader that asks for the PIN itself (parameter_invalid). card_busy where a try was used up while the dialog was open, so that
  // the PIN would be the last: it is not presented.
  boost::asio::awaitable<base::Result<SigningCertificate>> commit(Origin origin, std::string handle, std::size_t count,
                                                                  std::optional<base::Secret> given);
  // Goes on after a pause: without a second consent, with a new PIN if the old one is gone.
  boost::asio::awaitable<base::Result<BatchProgress>> resume(Origin origin, std::string handle);

  // The newest listener gets the events; results not acknowledged are told again from the start. Detach with an empty one.
  base::Result<void> listen(const Origin& origin, const std::string& handle, BatchListener listener);
  base::Result<BatchProgress> progress(const Origin& origin, const std::string& handle) const;
  // Documents of the results after `sequence`, at most `most`, assembled when asked for.
  base::Result<std::vector<ItemResult>> results(const Origin& origin, const std::string& handle, std::uint64_t after, std::size_t most) const;
  base::Result<void> acknowledge(const Origin& origin, const std::string& handle, std::uint64_t through);
  // Stops before the next signature; what was made stays to be fetched.
  base::Result<void> cancel(const Origin& origin, const std::string& handle);
  // Tries the missing time stamps again, without token or PIN. Gives how many are still missing.
  boost::asio::awaitable<base::Result<std::size_t>> retry_time_stamps(Origin origin, std::string handle);
  // Forgets the batch and all its results.
  base::Result<void> close(const Origin& origin, const std::string& handle);

  // Wipes all PINs, logs out, ends the hosts that held them; running batches pause, or end first, with their PINs (`running`;
  // where each signature asks for the PIN they pause in any case). Returns when no paused one has a login any more, which a
  // person at a PIN pad may hold up: after ten seconds at the latest, and it is still undone when it comes.
  boost::asio::awaitable<void> lock(base::Error reason, OnLock running = OnLock::pause);
  // Finishes the signature in flight, wipes, ends all hosts.
  boost::asio::awaitable<void> stop();

  // The turn of a module's tokens, for what must not happen beside signing: nothing while a batch uses one or waits for it. While
  // it is held, batches wait.
  std::optional<Turns::Turn> try_take(std::size_t module);
  // Wipes the PINs that are kept for a token and ends the host that had them.
  boost::asio::awaitable<void> wipe_token(std::string serial);

  struct Overview {
    std::size_t batches = 0, running = 0, pins_kept = 0;
    std::optional<base::Time> pins_until;
  };
  Overview overview() const;

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace signet::signing
