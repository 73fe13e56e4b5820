/** Only what certainly is: an odd spelling of loopback asks for a key, which is the safe mistake. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}
