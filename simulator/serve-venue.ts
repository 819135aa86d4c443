import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import fastify from "fastify";
import type { Environment } from "./accounts.ts";
import { authenticate } from "./authenticate.ts";
import type { Fault } from "./faults.ts";
import { type Answer, keyReasons, reasons, Refused } from "./refusal.ts";
import type { LoggedRequest, RequestLog } from "./request-log.ts";
import { isRecord, parameters, type WireRequest } from "./request.ts";
import { SubAccounts } from "./sub-accounts.ts";
import type { VenueState } from "./venue-state.ts";
import type { Call, Route, SimulatedVenue } from "./venue.ts";

const bodyLimitBytes = 1_048_576;

/**
 * One host of a venue: its routes, with bodies left as text because signatures cover them as they were sent.
 */
export function serveVenue(state: VenueState, host: Environment, log: RequestLog): FastifyInstance {
  const app = fastify({ forceCloseConnections: true, exposeHeadRoutes: false, bodyLimit: bodyLimitBytes });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
  const handle = (route: Route | undefined) => (incoming: FastifyRequest, reply: FastifyReply) =>
    exchange(state, route, wireRequest(state, host, incoming), { incoming, reply, log });
  for (const route of state.venue.routes) {
    if (route.hosts !== undefined && !route.hosts.includes(host)) continue;
    app.route({ method: route.method, url: route.path, handler: handle(route) });
  }
  app.setNotFoundHandler(handle(undefined));
  return app;
}

type Wire = Readonly<{ incoming: FastifyRequest; reply: FastifyReply; log: RequestLog }>;

/** One request and what becomes of it: logged, met by a planned failure, or answered. */
function exchange(
  state: VenueState,
  route: Route | undefined,
  request: WireRequest,
  { incoming, reply, log }: Wire,
): FastifyReply {
  reply.header("date", new Date(state.nowMs()).toUTCString());
  const entry = log.open(state.venue.id, { ...request, path: pathWithoutKey(request, incoming) });
  const fault = state.faults.take(request);
  entry.fault = fault?.kind ?? null;
  if (fault?.kind === "answer") {
    return send(reply, entry, fault.status, fault.headers ?? {}, fault.body);
  }
  if (fault !== undefined && fault.kind !== "refuse" && fault.kind !== "lose_answer") {
    return breakConnection(fault, reply);
  }
  const answer =
    fault?.kind === "refuse"
      ? refusal(state, new Refused(fault.reason), entry)
      : respond(state, route, request, incoming, entry);
  if (fault?.kind === "lose_answer") return breakConnection({ kind: "reset" }, reply);
  const { status, headers, body, text = body === undefined ? "" : JSON.stringify(body) } = answer;
  return send(reply, entry, status, { "content-type": "application/json", ...headers }, text);
}

/** Gate names the key that it is to delete in the path, and the log holds no keys. */
function pathWithoutKey({ path }: WireRequest, { params }: FastifyRequest): string {
  const { key } = isRecord(params) ? params : {};
  return typeof key === "string" ? path.replace(encodeURIComponent(key), ":key") : path;
}

function send(
  reply: FastifyReply,
  entry: LoggedRequest,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): FastifyReply {
  entry.status = status;
  return reply.code(status).headers(headers).send(body);
}

function respond(
  state: VenueState,
  route: Route | undefined,
  request: WireRequest,
  incoming: FastifyRequest,
  entry: LoggedRequest,
): Answer {
  try {
    if (route === undefined) throw new Refused("unknown_path");
    const text = lookUp(new Map(Object.entries(incoming.params ?? {})), request);
    const nowMs = state.nowMs();
    if (route.needs === "nothing") return route.answer({ request, text, nowMs });
    const key = authenticate(state, request, route.needs);
    entry.keyId = key.id;
    const { account } = key;
    return route.answer({
      request,
      key,
      account,
      accountKeys: state.accounts.keysOf(account),
      subAccounts: new SubAccounts(state, account),
      text,
      nowMs,
    });
  } catch (error) {
    if (error instanceof Refused) return refusal(state, error, entry);
    throw error;
  }
}

/** Query and body are read only if a route asks for one of their parameters. */
function lookUp(inPath: ReadonlyMap<string, string>, request: WireRequest): Call["text"] {
  let sent: ReadonlyMap<string, string> | undefined;
  return (name) => inPath.get(name) ?? (sent ??= parameters(request)).get(name);
}

function refusal(state: VenueState, refused: Refused, entry: LoggedRequest): Answer {
  entry.refusal = refused.reason;
  return refused.answer ?? usualAnswer(state.venue, refused.reason);
}

function usualAnswer({ refusals, keyRefusals }: SimulatedVenue, reason: Refused["reason"]): Answer {
  if (isOneOf(reasons, reason)) return refusals[reason];
  const answer = isOneOf(keyReasons, reason) ? keyRefusals?.[reason] : undefined;
  if (answer === undefined) throw new Error(`no answer for ${reason}`);
  return answer;
}

const isOneOf = <R extends string>(all: readonly R[], reason: string): reason is R =>
  all.some((one) => one === reason);

function wireRequest(state: VenueState, host: Environment, incoming: FastifyRequest): WireRequest {
  const [path = "", ...query] = (incoming.raw.url ?? "").split("?");
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, String(value ?? "")]),
  );
  return {
    method: incoming.method,
    path,
    query: query.join("?"),
    body: typeof incoming.body === "string" ? incoming.body : "",
    headers,
    address: incoming.ip.replace(/^::ffff:/, ""),
    environment: state.venue.isDemo?.(headers) === true ? "paper" : host,
  };
}

type Breaking = Extract<Fault, { kind: "hang" | "drip" | "reset" | "huge" }>;

const defaultDripMs = 50;
const chunk = Buffer.alloc(65_536, "0");

/** Fails below HTTP: takes the connection away from the server and treats it badly. */
function breakConnection(fault: Breaking, reply: FastifyReply): FastifyReply {
  reply.hijack();
  switch (fault.kind) {
    case "hang":
      break;
    case "reset":
      reply.raw.socket?.resetAndDestroy();
      break;
    case "drip":
      drip(reply, fault.everyMs ?? defaultDripMs);
      break;
    case "huge":
      flood(reply, fault.bytes);
      break;
  }
  return reply;
}

function drip(reply: FastifyReply, everyMs: number): void {
  reply.raw.writeHead(200, { "content-type": "application/json" });
  reply.raw.write("[0");
  const timer = setInterval(() => reply.raw.write(","), everyMs);
  reply.raw.once("close", () => clearInterval(timer));
}

function flood(reply: FastifyReply, bytes: number): void {
  reply.raw.writeHead(200, { "content-type": "application/json", "content-length": String(bytes) });
  let left = bytes;
  const pour = (): void => {
    while (left > 0 && !reply.raw.destroyed) {
      const part = chunk.subarray(0, Math.min(left, chunk.length));
      left -= part.length;
      if (!reply.raw.write(part)) {
        reply.raw.once("drain", pour);
        return;
      }
    }
    reply.raw.end();
  };
  pour();
}
