import { Withheld } from "./withheld.ts";

/**
 * A URL that means what it says. ccxt puts parameters into paths, so a text such as `../sub/api-key` could turn one request into
 * another once the URL is parsed. Returns the parsed URL. Throws `Withheld` where parsing would change host or path, where the
 * URL names a user or a fragment, and where the path goes up or hides a separator behind an encoding.
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
