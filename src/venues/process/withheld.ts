/**
 * Keyhold did not send a request, because the operation under way may not send it. Nothing left this process. The message is public:
 * it names no key, no signature and no query.
 */
export class Withheld extends Error {
  override readonly name = "Withheld";
}
