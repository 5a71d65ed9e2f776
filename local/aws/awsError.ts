/** An error that a local AWS service answers a call with. `name` is AWS's error code, `status` the HTTP status. */
export class AwsError extends Error {
  readonly status: number
  constructor(name: string, message = name, status = 400) {
    super(message)
    this.name = name
    this.status = status
  }
}
