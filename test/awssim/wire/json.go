package wire

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

const (
	json10ContentType = "application/x-amz-json-1.0"
	json11ContentType = "application/x-amz-json-1.1"
	restContentType   = "application/json"
)

// DecodeJSON fills target from the body; an empty body is an empty object.
func DecodeJSON(r *Request, target any) error {
	if len(r.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Body, target); err != nil {
		return apierror.New("SerializationException", "%v", err)
	}
	return nil
}

// JSON10 answers a call of the AWS JSON 1.0 protocol.
func JSON10(document any) (*Response, error) { return jsonResponse(json10ContentType, document) }

// JSON11 answers a call of the AWS JSON 1.1 protocol.
func JSON11(document any) (*Response, error) { return jsonResponse(json11ContentType, document) }

// RESTJSON answers a call of a REST JSON service.
func RESTJSON(document any) (*Response, error) { return jsonResponse(restContentType, document) }

func jsonResponse(contentType string, document any) (*Response, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", document, err)
	}
	return &Response{Status: http.StatusOK, ContentType: contentType, Body: body}, nil
}

// JSON10Error answers in the error document of AWS JSON 1.0. Services that had the Query protocol before tell clients of that time the code that
// they knew, in a header.
func JSON10Error(shape, queryCode string, e *apierror.Error) *Response {
	response := errorResponse(json10ContentType, e, map[string]string{"__type": shape, "message": e.Message})
	response.Header = map[string]string{"X-Amzn-Query-Error": queryCode + ";Sender"}
	return response
}

// JSON11Error answers in the error document of AWS JSON 1.1.
func JSON11Error(e *apierror.Error) *Response {
	return errorResponse(json11ContentType, e, map[string]string{"__type": e.Code, "message": e.Message})
}

// RESTError answers in the error document of REST JSON services, which name the code in a header.
func RESTError(e *apierror.Error) *Response {
	response := errorResponse(restContentType, e, map[string]string{"message": e.Message})
	response.Header = map[string]string{"X-Amzn-ErrorType": e.Code}
	return response
}

func errorResponse(contentType string, e *apierror.Error, document map[string]string) *Response {
	response, err := jsonResponse(contentType, document)
	if err != nil {
		return &Response{Status: http.StatusInternalServerError, ContentType: "text/plain", Body: []byte(err.Error())}
	}
	response.Status = e.Status
	return response
}
