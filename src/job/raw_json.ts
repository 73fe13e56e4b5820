/**
 * JSON text that is a job's result as it stands: parsed and printed again, long numbers would be rounded. It must be
 * valid; what is not fails the attempt with the reason `invalid_result`.
 */
export class RawJson {
  constructor(readonly text: string) {}
}
