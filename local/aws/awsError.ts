/** An error as AWS answers it. */
export class AwsError extends Error {
  readonly status: number
  constructor(name: string, message = name, status = 400) {
    super(message)
    this.name = name
    this.status = status
  }
}
