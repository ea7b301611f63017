// Makes, with the AWS SDK for JavaScript, the call that stands in a line, and answers with a line. Both are JSON.
// The argument is the folder that has node_modules. Nothing is reached beyond loopback.
import net from "node:net";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const sdk = createRequire(`${process.argv[2]}/`)("@aws-sdk/credential-providers");
const path = process.env.PATH;
// What takes longer waits for ever: many answers have no time limit. The longest limit that there is, is a second.
const FOR_EVER = 4000;

// What is not our name in camel case.
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
// All else belongs into `params` of fromTemporaryCredentials, by its name in the API of STS.
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
  if (value.factory) return made(value);
  if (value.returns?.access_key_id) return async () => renamed(value.returns, camel);
  if ("returns" in value) return async () => value.returns;
  return name === "client_config" ? options(value) : mapped(value, (key, item) => [key, option(key, item)]);
}

function made(call) {
  const factory = sdk[FACTORIES[call.factory] ?? camel(call.factory)];
  if (call.providers) {
    const chain = factory(...call.providers.map(made));
    return call.expire_after ? chain.expireAfter(call.expire_after * 1000) : chain;
  }
  if (call.factory !== "from_temporary_credentials") return factory(options(call.options ?? {}));
  const chosen = (inside) => Object.entries(call.options).filter(([key]) => NOT_PARAMS.includes(key) !== inside);
  const params = chosen(true).map(([key, value]) => [pascal(key), parameter(key, value)]);
  return factory({ ...options(Object.fromEntries(chosen(false))), params: Object.fromEntries(params) });
}

async function play({ environ, call, times }) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { PATH: path, ...environ }); // in place, as the system is asked for the home
  const silence = Object.assign(new Error("no answer"), { name: "Silence" });
  const end = new Promise((_, reject) => setTimeout(() => reject(silence), FOR_EVER).unref());
  try {
    const provider = made(call);
    for (let again = 1; again < times; again++) await provider();
    const { $source, ...fields } = await Promise.race([provider(), end]);
    return { credentials: renamed(fields, snake) };
  } catch (error) {
    const name = error.$metadata ? `service error ${error.name}` : error.name;
    return { error: { name, message: error.message, goes_on: Boolean(error.tryNextLink) } };
  }
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...given) {
  const host = net._normalizeArgs(Array.isArray(given[0]) ? given[0] : given)[0].host ?? "localhost";
  if (!["localhost", "127.0.0.1", "::1"].includes(host)) throw new Error(`reached beyond loopback: ${host}`);
  return connect.apply(this, given);
};
console.log = console.warn = console.error = () => {}; // the output is for answers
process.on("unhandledRejection", () => {}); // it would end the process: a source that fails while a person is asked

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await play(JSON.parse(line)))}\n`);
}
