import { createPrivateKey, createPublicKey, sign, webcrypto } from "node:crypto";
import { describe, expect, test } from "vitest";
import { signedPayload } from "../../simulator/signing.ts";
import { verifyAlpaca } from "../../simulator/venues/alpaca.ts";
import { verifyBinance } from "../../simulator/venues/binance.ts";
import { verifyBitget } from "../../simulator/venues/bitget.ts";
import { verifyBybit } from "../../simulator/venues/bybit.ts";
import { readJwt, verifyCoinbase } from "../../simulator/venues/coinbase-tokens.ts";
import { verifyGate } from "../../simulator/venues/gate.ts";
import { verifyKraken } from "../../simulator/venues/kraken.ts";
import { verifyKucoin, verifyKucoinPassphrase } from "../../simulator/venues/kucoin.ts";
import { verifyMexc } from "../../simulator/venues/mexc.ts";
import { verifyOkx } from "../../simulator/venues/okx.ts";

type Encoding = "hex" | "base64";

/** Every signature that differs in one bit. */
function flipped(signature: string, encoding: Encoding): string[] {
  const bytes = Buffer.from(signature, encoding);
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Buffer.from(bytes);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return copy.toString(encoding);
  });
}

/** The signature is accepted; not so with a bit flipped, cut short, respelt or left out. Either case only where the venue takes both. */
function onlyAccepts(
  verify: (signature: string) => boolean,
  signature: string,
  encoding: Encoding,
  { eitherCase = false } = {},
): void {
  expect(verify(signature)).toBe(true);
  expect(verify(signature.toUpperCase())).toBe(eitherCase);
  const spoilt = [signature.slice(0, -2), ` ${signature}`, ""];
  expect([...flipped(signature, encoding), ...spoilt].filter((given) => verify(given))).toEqual([]);
}

// github.com/binance/binance-spot-api-docs, rest-api.md, "SIGNED endpoint examples".
describe("binance", () => {
  const secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
  const vectors = [
    [
      "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
      "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ],
    [
      "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559",
      "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ],
  ] as const;

  test.each(vectors)("accepts the published signature of %s and no spoilt one", (payload, signature) => {
    // "The signature is not case sensitive" (rest-api.md, "Request security").
    onlyAccepts((given) => verifyBinance(payload, given, secret), signature, "hex", { eitherCase: true });
    expect(verifyBinance(`${payload} `, signature, secret)).toBe(false);
    expect(verifyBinance(payload, signature, `${secret}x`)).toBe(false);
  });

  test("signs the query followed by the body, wherever the signature stands", () => {
    expect(signedPayload("a=1&signature=s&b=2", "c=3")).toBe("a=1&b=2c=3");
    expect(signedPayload("", "signature=s")).toBe("");
  });

  // fix-api.md, "Signature computation": the one published example with an Ed25519 private key.
  test("accepts the published Ed25519 signature", () => {
    const der = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u";
    const privateKey = createPrivateKey({ key: Buffer.from(der, "base64"), format: "der", type: "pkcs8" });
    const payload = ["A", "EXAMPLE", "SPOT", "1", "20240627-11:17:25.223"].join("\x01");
    const signature =
      "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA==";
    const publicKey = createPublicKey(privateKey);
    expect(sign(null, Buffer.from(payload), privateKey).toString("base64")).toBe(signature);
    onlyAccepts((given) => verifyBinance(payload, given, publicKey), signature, "base64");
    expect(verifyBinance(`${payload}0`, signature, publicKey)).toBe(false);
  });
});

// docs.kraken.com, "Spot REST authentication".
describe("kraken", () => {
  const secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
  const signed = {
    path: "/0/private/AddOrder",
    nonce: "1616492376594",
    body: "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25",
  };
  const signature =
    "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==";

  test("accepts the published signature and no spoilt one", () => {
    onlyAccepts((given) => verifyKraken(signed, given, secret), signature, "base64");
  });

  test.each([
    ["path", { path: "/0/private/CancelOrder" }],
    ["nonce", { nonce: "1616492376595" }],
    ["body", { body: signed.body.replace("1.25", "1.26") }],
  ])("refuses it for another %s", (_part, altered) => {
    expect(verifyKraken({ ...signed, ...altered }, signature, secret)).toBe(false);
  });
});

// A test of NautilusTrader: not the venue's, but made without ccxt. Bybit publishes its own with a masked key.
describe("bybit", () => {
  const secret = "test_secret";
  const signed = {
    timestamp: "1700000000000",
    apiKey: "test_api_key",
    recvWindow: "5000",
    payload: "category=linear&symbol=BTCUSDT",
  };
  const signature = "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7";

  test("accepts the known signature and no spoilt one", () => {
    onlyAccepts((given) => verifyBybit(signed, given, secret), signature, "hex");
  });

  test.each([
    ["time", { timestamp: "1700000000001" }],
    ["key", { apiKey: "test_api_kez" }],
    ["window", { recvWindow: "5001" }],
    ["payload", { payload: "category=linear&symbol=ETHUSDT" }],
  ])("refuses it for another %s", (_part, altered) => {
    expect(verifyBybit({ ...signed, ...altered }, signature, secret)).toBe(false);
  });
});

// A test of NautilusTrader: not the venue's, but made without ccxt. OKX publishes its formula and no result.
describe("okx", () => {
  const secret = "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO";
  const signed = {
    timestamp: "2020-12-08T09:08:57.715Z",
    method: "GET",
    target: "/api/v5/account/balance",
    body: "",
  };
  const signature = "PJ61e1nb2F2Qd7D8SPiaIcx2gjdELc+o0ygzre9z33k=";

  test("accepts the known signature and no spoilt one", () => {
    onlyAccepts((given) => verifyOkx(signed, given, secret), signature, "base64");
  });

  test.each([
    ["time", { timestamp: "2020-12-08T09:08:57.716Z" }],
    ["method", { method: "POST" }],
    ["path", { target: "/api/v5/account/config" }],
    ["query", { target: "/api/v5/account/balance?ccy=BTC" }],
    ["body", { body: "{}" }],
  ])("refuses it for another %s", (_part, altered) => {
    expect(verifyOkx({ ...signed, ...altered }, signature, secret)).toBe(false);
  });
});

// gate.com/docs/developers/apiv4, "APIv4 signed request requirements": both examples.
describe("gate", () => {
  const secret = "secret";
  const list = {
    method: "GET",
    path: "/api/v4/futures/orders",
    query: "contract=BTC_USD&status=finished&limit=50",
    body: "",
    timestamp: "1541993715",
  };
  const create = {
    method: "POST",
    path: "/api/v4/futures/orders",
    query: "",
    body: '{"contract":"BTC_USD","type":"limit","size":100,"price":6800,"time_in_force":"gtc"}',
    timestamp: "1541993715",
  };
  const listSignature =
    "55f84ea195d6fe57ce62464daaa7c3c02fa9d1dde954e4c898289c9a2407a3d6fb3faf24deff16790d726b66ac9f74526668b13bd01029199cc4fcc522418b8a";
  const createSignature =
    "eae42da914a590ddf727473aff25fc87d50b64783941061f47a3fdb92742541fc4c2c14017581b4199a1418d54471c269c03a38d788d802e2c306c37636389f0";

  test.each([
    ["a list of orders", list, listSignature],
    ["a new order", create, createSignature],
  ])("accepts the published signature of %s and no spoilt one", (_name, signed, signature) => {
    onlyAccepts((given) => verifyGate(signed, given, secret), signature, "hex");
  });

  test.each([
    ["method", { method: "PUT" }],
    ["path", { path: "/api/v4/futures/order" }],
    ["query", { query: "x=1" }],
    ["body", { body: create.body.replace("100", "101") }],
    ["time", { timestamp: "1541993716" }],
  ])("refuses it for another %s", (_part, altered) => {
    expect(verifyGate({ ...create, ...altered }, createSignature, secret)).toBe(false);
  });
});

// mexc.com/api-docs/spot-v3, "Signed": examples 2 and 3. The signature of example 1 fits no reading of its request.
describe("mexc", () => {
  const secret = "45d0b3c26f2644f19bfb98b07741b2f5";
  const terms = "quantity=1&price=11&recvWindow=5000&timestamp=1644489390087";

  test.each([
    [
      "in the body alone",
      signedPayload("", `symbol=BTCUSDT&side=BUY&type=LIMIT&${terms}`),
      "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a",
    ],
    [
      "split over query and body",
      signedPayload("symbol=BTCUSDT&side=BUY&type=LIMIT", terms),
      "d1a676610ceb39174c8039b3f548357994b2a34139a8addd33baadba65684592",
    ],
  ])("accepts the published signature of an order %s and no spoilt one", (_where, payload, signature) => {
    onlyAccepts((given) => verifyMexc(payload, given, secret), signature, "hex");
    expect(verifyMexc(payload.replace("price=11", "price=12"), signature, secret)).toBe(false);
    expect(verifyMexc(payload, signature, `${secret}x`)).toBe(false);
  });
});

// ES256 signatures are random and Coinbase's tokens carry a nonce, so the venue can publish no vector. These are the
// examples of the standards that it follows.
describe("coinbase", () => {
  const es256 = {
    // RFC 7515, appendix A.3.
    token:
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    jwk: {
      kty: "EC",
      crv: "P-256",
      x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
      y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
  };
  const eddsa = {
    // RFC 8037, appendix A.4; its payload is no JSON.
    token:
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    jwk: { kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
  };

  test.each([
    ["ES256", es256],
    ["EdDSA", eddsa],
  ])("accepts the standard's %s example and no spoilt one", (_name, { token, jwk }) => {
    const key = createPublicKey({ key: jwk, format: "jwk" });
    const [header, claims, signature = ""] = token.split(".");
    const base64 = Buffer.from(signature, "base64url").toString("base64");
    const verify = (given: string, signed = `${header}.${claims}`) =>
      verifyCoinbase({ signed, signature: Buffer.from(given, "base64") }, key);
    expect(verify(base64)).toBe(true);
    expect(flipped(base64, "base64").filter((given) => verify(given))).toEqual([]);
    expect(verify(base64, `${header}.${claims}x`)).toBe(false);
  });

  test("reads a token that is spelt in one way only", () => {
    expect(readJwt(es256.token)?.claims).toMatchObject({ iss: "joe" });
    // The last character of the signature carries two bits that decode to nothing.
    for (const token of [
      es256.token.replace(/Q$/, "R"),
      `${es256.token}=`,
      `${es256.token}.`,
      "a.b",
      eddsa.token,
    ]) {
      expect(readJwt(token)).toBeUndefined();
    }
  });
});

/** HMAC-SHA256 in base64 by another interface than the one under test. */
async function hmac(text: string, secret: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const encoder = new TextEncoder();
  const key = await webcrypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  return Buffer.from(await webcrypto.subtle.sign("HMAC", key, encoder.encode(text))).toString("base64");
}

// Neither publishes a vector: these follow the documented formula, written out once more.
describe.each([
  ["kucoin", verifyKucoin],
  ["bitget", verifyBitget],
])("%s", (_venue, verify) => {
  const secret = "an-api-secret";
  const signed = {
    timestamp: "1700000000000",
    method: "POST",
    target: "/api/orders?symbol=BTCUSDT",
    body: '{"size":"1"}',
  };
  const written = '1700000000000POST/api/orders?symbol=BTCUSDT{"size":"1"}';

  test("accepts the signature of its formula and no spoilt one", async () => {
    onlyAccepts((given) => verify(signed, given, secret), await hmac(written, secret), "base64");
  });

  test.each([
    ["time", { timestamp: "1700000000001" }],
    ["method", { method: "PUT" }],
    ["path", { target: "/api/order?symbol=BTCUSDT" }],
    ["query", { target: "/api/orders?symbol=ETHUSDT" }],
    ["body", { body: '{"size":"2"}' }],
  ])("refuses it for another %s", async (_part, altered) => {
    expect(verify({ ...signed, ...altered }, await hmac(written, secret), secret)).toBe(false);
  });
});

test("kucoin's passphrase is accepted as its MAC and not in the clear", async () => {
  const [passphrase, secret] = ["a passphrase", "an-api-secret"];
  const verify = (given: string) => verifyKucoinPassphrase(given, passphrase, secret);
  onlyAccepts(verify, await hmac(passphrase, secret), "base64");
  expect(verify(passphrase)).toBe(false);
});

test("alpaca's secret is accepted whole, and nothing like it", () => {
  expect(verifyAlpaca("the-secret", "the-secret")).toBe(true);
  for (const given of ["", "the-secre", "the-secret ", "The-secret"]) {
    expect(verifyAlpaca(given, "the-secret")).toBe(false);
  }
});
