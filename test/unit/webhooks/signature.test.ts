import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { signMessage } from "../../../src/webhooks/signing-secret.ts";

const now = () => Math.floor(Date.now() / 1000);
const secret = randomBytes(32);
const verifier = new Webhook(`whsec_${secret.toString("base64")}`);
const message = {
  messageId: "msg_1",
  seconds: now(),
  payload: '{"type":"webhook.test","data":{"größe":"1"}}',
};

function headersOf({ messageId, seconds }: typeof message, signature: string): Record<string, string> {
  return {
    "webhook-id": messageId,
    "webhook-timestamp": String(seconds),
    "webhook-signature": signature,
  };
}

describe("a signature", () => {
  test("is that of the vector which Standard Webhooks publishes", () => {
    const key = Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
    const vector = {
      messageId: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      seconds: 1_614_265_330,
      payload: '{"test": 2432232314}',
    };

    expect(signMessage(key, vector)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  test("is accepted by the reference library", () => {
    expect(verifier.verify(message.payload, headersOf(message, signMessage(secret, message)))).toEqual({
      type: "webhook.test",
      data: { größe: "1" },
    });
  });

  test("does not survive the flip of any bit of what it covers, nor of itself", () => {
    const signature = signMessage(secret, message);
    const flips = (text: string): string[] =>
      [...Buffer.from(text)].flatMap((byte, at) =>
        [0, 3, 6].map((bit) => {
          const bytes = Buffer.from(text);
          bytes[at] = byte ^ (1 << bit);
          return bytes.toString("latin1");
        }),
      );
    const refused = (payload: string, headers: Record<string, string>): boolean => {
      try {
        verifier.verify(payload, headers);
        return false;
      } catch {
        return true;
      }
    };
    const whole = headersOf(message, signature);
    const attempts = [
      ...flips(message.payload).map((payload) => refused(payload, whole)),
      ...flips(message.messageId).map((id) => refused(message.payload, { ...whole, "webhook-id": id })),
      ...flips(String(message.seconds)).map((time) =>
        refused(message.payload, { ...whole, "webhook-timestamp": time }),
      ),
      ...flips(signature.slice(3, -2)).map((mac) =>
        refused(message.payload, { ...whole, "webhook-signature": `v1,${mac}${signature.slice(-2)}` }),
      ),
    ];

    expect(attempts.length).toBeGreaterThan(300);
    expect(attempts.filter((wasRefused) => !wasRefused)).toEqual([]);
    expect(refused(message.payload, whole), "the control: the message itself").toBe(false);
  });

  test("of six minutes ago is refused by the receiver, one of four is not", () => {
    const aged = (minutes: number) => {
      const old = { ...message, seconds: now() - 60 * minutes };
      return () => verifier.verify(old.payload, headersOf(old, signMessage(secret, old)));
    };

    expect(aged(6)).toThrow("too old");
    expect(aged(4)).not.toThrow();
  });

  test("among two is enough, in either place: receivers change their secret when it suits them", () => {
    const other = signMessage(randomBytes(32), message);
    const own = signMessage(secret, message);

    expect(() => verifier.verify(message.payload, headersOf(message, `${own} ${other}`))).not.toThrow();
    expect(() => verifier.verify(message.payload, headersOf(message, `${other} ${own}`))).not.toThrow();
    expect(() => verifier.verify(message.payload, headersOf(message, other))).toThrow(
      "No matching signature",
    );
  });
});
