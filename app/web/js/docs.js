/** The description of every request and answer, drawn by Swagger UI from the service's own OpenAPI document. */

SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
