/**
 * Sets the environment variables that Lambda sets for a function, and `more`. It must be called before the functions' modules
 * are loaded, as these read the environment then.
 */
export function setLambdaEnvironment(more: Record<string, string>): void {
  Object.assign(process.env, {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    ...more,
  })
}
