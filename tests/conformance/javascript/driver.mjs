// Runs conformance cases with the AWS SDK for JavaScript: reads one JSON line per case, and writes one with its outcome.
// The argument is the folder that contains node_modules. Connections beyond loopback are blocked.
import net from "node:net";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sdk = createRequire(`${process.argv[2]}/`)("@aws-sdk/credential-providers");
const path = process.env.PATH;
// A call that takes longer (ms) has no timeout: the longest timeout of the SDK's own is one second.
const NO_TIMEOUT = 4000;

// Names that are not the camel-case form of anycreds's names.
const FACTORIES = { from_default_chain: "fromNodeProviderChain", from_sso: "fromSSO" };
const OPTIONS = {
  full_uri: "awsContainerCredentialsFullUri",
  relative_uri: "awsContainerCredentialsRelativeUri",
  authorization_token: "awsContainerAuthorizationToken",
  authorization_token_file: "awsContainerAuthorizationTokenFile",
  duration: "durationSeconds",
  endpoint_url: "endpoint",
  source_credentials: "masterCredentials",
};
// All other options belong in `params` of fromTemporaryCredentials, with their names in the STS API.
const NOT_PARAMS = ["source_credentials", "mfa_code_provider", "client_config"];

const camel = (name) => name.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => (name === "duration" ? "DurationSeconds" : camel(`_${name}`));
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const mapped = (object, change) => Object.fromEntries(Object.entries(object).map(([key, value]) => change(key, value)));
const renamed = (object, rename) => mapped(object, (key, value) => [rename(key), value]);
const options = (given) => mapped(given, (key, value) => [OPTIONS[key] ?? camel(key), option(key, value)]);

function parameter(name, value) {
  if (name === "policy_arns") return value.map((arn) => ({ arn }));
  if (name === "provided_contexts") {
    return Object.entries(value).map(([ProviderArn, ContextAssertion]) => ({ ProviderArn, ContextAssertion }));
  }
  return name === "tags" ? Object.entries(value).map(([Key, Value]) => ({ Key, Value })) : value;
}

function option(name, value) {
  if (name === "timeout") return value * 1000; // seconds; milliseconds
  if (name === "policy_arns") return parameter(name, value);
  if (value === null || typeof value !== "object") return value;
  if (value.factory) return createProvider(value);
  if (value.returns?.access_key_id) return async () => renamed(value.returns, camel);
  if ("returns" in value) return async () => value.returns;
  return name === "client_config" ? options(value) : mapped(value, (key, item) => [key, option(key, item)]);
}

function createProvider(call) {
  const factory = sdk[FACTORIES[call.factory] ?? camel(call.factory)];
  if (call.providers) {
    const chain = factory(...call.providers.map(createProvider));
    return call.expire_after ? chain.expireAfter(call.expire_after * 1000) : chain;
  }
  if (call.factory !== "from_temporary_credentials") return factory(options(call.options ?? {}));
  const chosen = (inside) => Object.entries(call.options).filter(([key]) => NOT_PARAMS.includes(key) !== inside);
  const params = chosen(true).map(([key, value]) => [pascal(key), parameter(key, value)]);
  return factory({ ...options(Object.fromEntries(chosen(false))), params: Object.fromEntries(params) });
}

async function runCase({ environ, call, times }) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { PATH: path, ...environ }); // in place, because os.homedir() reads the real environment
  const timeout = Object.assign(new Error("no response"), { name: "NoTimeout" });
  const end = new Promise((_, reject) => setTimeout(() => reject(timeout), NO_TIMEOUT).unref());
  try {
    const provider = createProvider(call);
    for (let again = 1; again < times; again++) await provider();
    const { $source, ...fields } = await Promise.race([provider(), end]);
    return { credentials: renamed(fields, snake) };
  } catch (error) {
    const name = error.$metadata ? `service error ${error.name}` : error.name;
    return { error: { name, message: error.message, continues: Boolean(error.tryNextLink) } };
  }
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const host = net._normalizeArgs(Array.isArray(given[0]) ? given[0] : given)[0].host ?? "localhost";
  if (!["localhost", "127.0.0.1", "::1"].includes(host)) throw new Error(`reached beyond loopback: ${host}`);
  return connect.apply(this, given);
};
console.log = console.warn = console.error = () => {}; // standard output carries the outcomes only
process.on("unhandledRejection", () => {}); // e.g. a source that fails during an MFA prompt; it would end the process

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await runCase(JSON.parse(line)))}\n`);
}
