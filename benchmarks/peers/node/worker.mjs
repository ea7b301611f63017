// The process of the JavaScript peer. It has the protocol of `benchmarks.workers`, with the names of its `jobs.py` and
// `tasks.py`. The argument is the folder that contains node_modules. Times are seconds.
import { Console } from "node:console";
import { readSync } from "node:fs";
import { createRequire } from "node:module";
import net from "node:net";

const LINE_END = 10;
const EXIT_DELAY = 0.5; // as in jobs.py
const now = () => performance.now() / 1000;
const sleep = (seconds) => new Promise((wake) => setTimeout(wake, seconds * 1000));
const print = (value) => new Promise((written) => process.stdout.write(`${JSON.stringify(value)}\n`, written));

// All callers share the memoized default chain. Its modules are loaded when it is created or called.
function setup() {
  const sdk = createRequire(`${process.argv[2]}/`)("@aws-sdk/credential-providers");
  const provider = sdk.fromNodeProviderChain();
  return async () => (await provider()).accessKeyId;
}

// Blocks until a line arrives. `process.stdin` would let the event loop run.
function readLine() {
  const line = [];
  const byte = Buffer.alloc(1);
  while (readSync(0, byte) && byte[0] !== LINE_END) line.push(byte[0]);
  return Buffer.from(line).toString();
}

// Records every call of every caller.
class CallLog {
  constructor(job, firstKey, firstCame) {
    Object.assign(this, { job, firstKey, firstCame, found: [] });
    this.open = new Float64Array(job.callers).fill(NaN); // a Map of 10,000 entries is a quarter slower
    this.memory = process.memoryUsage().rss;
    this.began = now();
  }

  begin(caller) {
    this.open[caller] = now();
  }

  got(caller, key) {
    const isOld = this.job.lifetime !== null && key === this.firstKey;
    this.end(caller, isOld && now() - this.firstCame > this.job.lifetime ? "stale" : "served");
  }

  end(caller, outcome) {
    this.found.push([caller, this.open[caller], now(), outcome]);
    this.open[caller] = NaN;
  }

  async printResults() {
    const end = now();
    const all = [...this.open].map((started, caller) => [caller, started, end, "waiting"]);
    const waiting = all.filter(([, started]) => !Number.isNaN(started));
    await print({
      calls: [...this.found, ...waiting].map(([caller, started, ended, outcome]) => [
        caller,
        Number((started - this.began).toFixed(7)),
        Number((ended - started).toFixed(9)),
        outcome,
      ]),
      seconds: end - this.began,
      memory: Math.max(0, process.resourceUsage().maxRSS * 1024 - this.memory), // maxRSS is in KiB
    });
  }
}

// Calls with a timeout in seconds; null if it expires. The call continues, since a promise cannot be cancelled.
async function withTimeout(getKey, seconds) {
  let timer;
  const timeout = new Promise((expire) => {
    timer = setTimeout(expire, seconds * 1000, null);
  });
  try {
    return await Promise.race([getKey(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

async function call(number, getKey, job, log) {
  for (let again = 0; again < job.calls; again++) {
    if (again && job.pause) await sleep(job.pause);
    log.begin(number);
    try {
      const key = await (job.deadline === null ? getKey() : withTimeout(getKey, job.deadline));
      if (key === null) {
        log.end(number, "timed out");
        continue;
      }
      log.got(number, key);
      if (job.deadline !== null) return;
    } catch (error) {
      log.end(number, error?.name ?? String(error)); // anything can be thrown
    }
  }
}

async function concurrent(job) {
  if (job.cancel_first !== null) throw new Error("a promise cannot be cancelled");
  if (job.is_warm) await setup()();
  const getKey = setup();
  const first = job.lifetime === null ? null : await getKey();
  const came = now();
  await sleep(job.after);
  await print("ready");
  readLine();
  const log = new CallLog(job, first, came);
  const callers = Array.from({ length: job.callers }, (_, number) => call(number, getKey, job, log));
  await Promise.race([Promise.all(callers), sleep(job.time_limit)]);
  await log.printResults();
  await sleep(EXIT_DELAY);
}

async function resolve(job) {
  const samples = [];
  for (let again = 0; again < job.calls; again++) {
    const started = now();
    await setup()();
    samples.push(now() - started);
  }
  await print({ samples });
}

async function hit(job) {
  const getKey = setup();
  await getKey();
  const samples = [];
  for (let again = 0; again < job.calls; again++) {
    const started = now();
    for (let once = 0; once < job.callers; once++) await getKey();
    samples.push((now() - started) / job.callers);
  }
  await print({ samples });
}

globalThis.console = new Console(process.stderr); // standard output carries the results only
// Connections beyond loopback end the process. An error would not be enough, since the SDK retries.
const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const host = net._normalizeArgs(Array.isArray(given[0]) ? given[0] : given)[0].host ?? "localhost";
  if (["localhost", "127.0.0.1", "::1"].includes(host)) return connect.apply(this, given);
  console.error(`reached beyond loopback: ${host}`);
  return process.exit(1);
};
process.on("unhandledRejection", () => {}); // it would end the process and all waiting callers

try {
  for (let line = readLine(); line; line = readLine()) {
    const job = JSON.parse(line);
    await { concurrent, resolve, hit }[job.kind](job);
  }
  process.exit(0); // waiting callers would keep the process alive
} catch (error) {
  console.error(String(error).replaceAll("\n", " ")); // the last line is shown as the reason
  process.exit(1);
}
