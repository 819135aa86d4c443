import { Agent, type Dispatcher, fetch, ProxyAgent, type Response } from "undici";
import { hostOf, type VenueSettings } from "../settings.ts";
import type { Environment } from "../venue.ts";

export type HttpRequest = Readonly<{
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}>;

export type HttpAnswer = Readonly<{ status: number; headers: ReadonlyMap<string, string>; body: string }>;

/** No usable answer came. Its message names no URL, since some venues carry key and signature there. */
export class FetchFailure extends Error {
  override readonly name = "FetchFailure";
  readonly kind: "timeout" | "network" | "redirect" | "too_large";

  constructor(kind: FetchFailure["kind"], message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * `onSend` is called before the first byte of the request goes to a connection, and not for a connection that
 * fails.
 */
export type Fetch = (request: HttpRequest, deadline: AbortSignal, onSend?: () => void) => Promise<HttpAnswer>;

/**
 * The one way out to venues: bounded in time over headers and body by `deadline`, bounded in size after
 * decompression, following no redirect, through the venue's own proxy. Sockets are shared by all calls.
 * Throws `FetchFailure`, and `Withheld` for a URL that parsing would change.
 */
export function createBoundedFetch(
  settings: VenueSettings,
): (venue: string, environment: Environment) => Fetch {
  const direct = new Agent({ connections: 64, allowH2: false });
  const proxies = new Map(
    Object.entries(settings.proxies).map(([venue, uri]) => [
      venue,
      new ProxyAgent({ uri, proxyTunnel: true, connections: 64 }),
    ]),
  );
  return (venue, environment) => {
    const dispatcher = proxies.get(venue) ?? direct;
    const base = hostOf(settings, venue, environment);
    return async (request, deadline, onSend) => {
      const noting = onSend === undefined ? dispatcher : dispatcher.compose(noteSend(onSend));
      return exchange(
        { ...request, url: rebase(plainUrl(request.url), base) },
        { dispatcher: noting, deadline, settings },
      );
    };
  };
}

/** undici starts a request on a connection that stands, right before it writes to it. */
function noteSend(onSend: () => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        onSend();
        handler.onRequestStart?.(controller, context);
      },
      onRequestUpgrade: (...parts) => handler.onRequestUpgrade?.(...parts),
      onResponseStart: (...parts) => handler.onResponseStart?.(...parts),
      onResponseData: (...parts) => handler.onResponseData?.(...parts),
      onResponseEnd: (...parts) => handler.onResponseEnd?.(...parts),
      onResponseError: (...parts) => handler.onResponseError?.(...parts),
    });
}

async function exchange(
  request: HttpRequest,
  bounds: Readonly<{ dispatcher: Dispatcher; deadline: AbortSignal; settings: VenueSettings }>,
): Promise<HttpAnswer> {
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: { "user-agent": "keyhold", ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      redirect: "manual",
      signal: bounds.deadline,
      dispatcher: bounds.dispatcher,
    });
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw new FetchFailure("redirect", `The venue answered with a redirect (${response.status})`);
    }
    const body = await readBody(response, bounds.settings.maxBodyBytes);
    return { status: response.status, headers: new Map(response.headers), body };
  } catch (error) {
    throw asFailure(error, bounds);
  }
}

async function readBody(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    // Leaving the loop cancels the body and closes the socket.
    if (size > maxBytes) throw new FetchFailure("too_large", `The answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function asFailure(error: unknown, { deadline, settings }: Parameters<typeof exchange>[1]): FetchFailure {
  if (error instanceof FetchFailure) return error;
  if (deadline.aborted) {
    return new FetchFailure("timeout", `No complete answer within ${settings.timeoutMs} ms`);
  }
  return new FetchFailure("network", `The connection failed${codeOf(error)}`);
}

/** The code of a network error such as ECONNREFUSED; undici hides it in the cause. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error) || !("code" in cause)) return "";
  return typeof cause.code === "string" ? ` (${cause.code})` : "";
}

/** The same path and query at the operator's own base URL. */
function rebase({ href, pathname, search }: URL, base: string | undefined): string {
  if (base === undefined) return href;
  return base.replace(/\/+$/, "") + pathname + search;
}

/**
 * Keyhold did not send a request, because the operation under way may not send it. Nothing left this process.
 * The message is public: it names no key, no signature and no query.
 */
export class Withheld extends Error {
  override readonly name = "Withheld";
}

/**
 * A URL that means what it says. ccxt puts parameters into paths, so a text such as `../sub/api-key` could
 * turn one request into another once the URL is parsed. Returns the parsed URL. Throws `Withheld` where
 * parsing would change host or path, where the URL names a user or a fragment, and where the path goes up or
 * hides a separator behind an encoding.
 */
export function plainUrl(text: string): URL {
  const [address = "", ...queries] = text.split("?");
  const url = URL.parse(text);
  if (
    url === null ||
    !isAsWritten(url, address) ||
    isDevious(url.pathname) ||
    /[#\p{Cc}]/u.test(queries.join())
  ) {
    throw new Withheld("A parameter would have changed the address of the request.");
  }
  return url;
}

/** What a user before the host does to a URL shows as well: the origin does not name it. */
function isAsWritten({ protocol, origin, pathname }: URL, address: string): boolean {
  if (protocol !== "https:" && protocol !== "http:") return false;
  // A host without a path gets its slash.
  return address === origin + pathname || (pathname === "/" && address === origin);
}

/** Servers and proxies decode a path once more than the parser of URLs does. */
function isDevious(pathname: string): boolean {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return true;
  }
  // A symbol such as BTC/USDT is sent as BTC%2FUSDT, so an encoded slash alone is no sign of anything.
  return /[\\\p{Cc}]|%(2e|2f|5c)/iu.test(decoded) || decoded.split("/").some((part) => /^\.\.?$/.test(part));
}
