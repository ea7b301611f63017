// Prints the access key ID that any AWS SDK for JavaScript would use, from the endpoint of `anycreds serve`.
const response = await fetch(process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI, {
  headers: { Authorization: process.env.AWS_CONTAINER_AUTHORIZATION_TOKEN },
});
const { AccessKeyId, Expiration } = await response.json();
console.log(response.status, AccessKeyId, Expiration ?? "no expiration");
